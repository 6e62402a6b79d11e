package peer;

import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONObject;
import com.alibaba.fastjson2.JSONWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.Stores;

/**
 * The peer on Kafka Streams: the Processor API, one stream thread, stores with caches and changelogs.
 *
 * <p>Arguments as for the peers in Python: options as JSON, and where the account belongs. It works under a throw-away
 * name first, from the log's beginning and for as long as `warm_up_seconds` says, so that the machine code is there and
 * the state that is measured is as young as everybody's.
 */
public final class Main {
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final long MIB = 1024 * 1024;

  public static void main(String[] arguments) throws Exception {
    JSONObject options = JSON.parseObject(arguments[0]);
    Path account = Path.of(arguments[1]);
    long warmUpMs = (long) (1000 * options.getDoubleValue("warm_up_seconds"));
    if (warmUpMs > 0) {
      KafkaStreams warm = streams(options, "-warm", new Books());
      warm.start();
      Thread.sleep(warmUpMs);
      warm.close(PATIENCE);
      warm.cleanUp();
      System.gc();
    }
    Books books = new Books();
    KafkaStreams streams = streams(options, "", books);
    CountDownLatch stopped = new CountDownLatch(1);
    // Java ends with 143 when it is asked to stop, whatever its hooks do; `halt` makes an orderly end of it.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      boolean orderly = streams.close(PATIENCE) && streams.state() == KafkaStreams.State.NOT_RUNNING;
      try {
        Files.write(account, JSON.toJSONBytes(books.account(), JSONWriter.Feature.WriteNonStringKeyAsString));
      } catch (Exception error) {
        error.printStackTrace();
        orderly = false;
      }
      Runtime.getRuntime().halt(orderly ? 0 : 1);
    }));
    streams.start();
    stopped.await();
  }

  private static KafkaStreams streams(JSONObject options, String ending, Books books) {
    boolean onDisk = options.getString("store").equals("rocksdb");
    Properties settings = new Properties();
    settings.put("application.id", options.getString("app") + ending);
    settings.put("bootstrap.servers", options.getString("kafka"));
    settings.put("state.dir", options.getString("folder"));
    settings.put("num.stream.threads", "1");
    settings.put("processing.guarantee", "at_least_once");
    settings.put("commit.interval.ms", "1000");
    // On disk the default; in memory what spares it the changelog, as there is no other use for a cache.
    settings.put("statestore.cache.max.bytes", String.valueOf((onDisk ? 10 : 256) * MIB));
    settings.put("replication.factor", "1");
    settings.put("auto.offset.reset", "earliest");
    settings.put("consumer.session.timeout.ms", "10000");
    settings.put("consumer.max.poll.records", "2000");
    settings.put("consumer.max.partition.fetch.bytes", String.valueOf(4 * MIB));
    settings.put("producer.acks", "all");
    settings.put("producer.compression.type", "lz4");
    settings.put("producer.batch.size", String.valueOf(256 * 1024));
    settings.put("producer.linger.ms", "100");
    settings.put("producer.buffer.memory", String.valueOf(128 * MIB));
    KafkaStreams streams = new KafkaStreams(topology(options, ending, onDisk, books), settings);
    streams.setUncaughtExceptionHandler(error -> {
      error.printStackTrace();
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    return streams;
  }

  private static Topology topology(JSONObject options, String ending, boolean onDisk, Books books) {
    String commandsTopic = options.getString("commands_topic") + ending;
    Deserializer<Event> events = (topic, bytes) -> JSON.parseObject(bytes, Event.class);
    Serializer<Map<String, String>> commands = (topic, command) -> JSON.toJSONBytes(command);
    Topology topology = new Topology();
    topology.addSource("log", new StringDeserializer(), events, options.getString("log_topic"));
    topology.addProcessor("shopper", () -> new Shopper(books), "log");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(store(Shopper.PROFILES, onDisk), Serdes.String(), profiles())
            .withCachingEnabled().withLoggingEnabled(Map.of()), "shopper");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(store(Shopper.DUE, onDisk), Serdes.Bytes(), Serdes.ByteArray())
            .withCachingEnabled().withLoggingEnabled(Map.of()), "shopper");
    topology.addSink("commands", commandsTopic, new StringSerializer(), commands, "shopper");
    return topology;
  }

  private static KeyValueBytesStoreSupplier store(String name, boolean onDisk) {
    return onDisk ? Stores.persistentKeyValueStore(name) : Stores.inMemoryKeyValueStore(name);
  }

  private static Serde<Profile> profiles() {
    Bytes scratch = new Bytes(new byte[4096]);
    Serializer<Profile> write = (topic, profile) -> {
      if (profile == null) {
        return null;
      }
      profile.write(scratch.rewound());
      return scratch.written();
    };
    return Serdes.serdeFrom(write, (topic, bytes) -> bytes == null ? null : Profile.read(new Bytes(bytes)));
  }
}
