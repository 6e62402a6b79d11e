package peer;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

import static java.nio.charset.StandardCharsets.UTF_8;

/** The job, for one partition: a store of profiles, and one of due times that a punctuator reads from its front. */
final class Shopper implements Processor<String, Event, String, Map<String, String>> {
  static final String PROFILES = "profiles";
  static final String DUE = "due";
  private static final Duration LOOK = Duration.ofMillis(100);
  private static final byte[] NOTHING = {};

  private final Books books;
  private ProcessorContext<String, Map<String, String>> context;
  private KeyValueStore<String, Profile> profiles;
  private KeyValueStore<org.apache.kafka.common.utils.Bytes, byte[]> due;
  private long lookedThrough;

  Shopper(Books books) {
    this.books = books;
  }

  @Override
  public void init(ProcessorContext<String, Map<String, String>> context) {
    this.context = context;
    profiles = context.getStateStore(PROFILES);
    due = context.getStateStore(DUE);
    context.schedule(LOOK, PunctuationType.WALL_CLOCK_TIME, this::remind);
  }

  @Override
  public void process(Record<String, Event> record) {
    context.recordMetadata().ifPresent(where -> books.took(where.partition(), where.offset()));
    String key = record.key();
    if (key.charAt(0) == 0) {
      return; // ticks mean nothing to it
    }
    Event event = record.value();
    Profile profile = profiles.get(key);
    if (profile == null) {
      profile = new Profile(event.time);
    }
    Profile.Waits before = profile.waits;
    Profile.Did did = profile.apply(event, context.currentSystemTimeMs());
    books.did(did);
    switch (did) {
      case ARMED -> due.put(dueKey(profile.waits.dueAt(), key), NOTHING);
      case CANCELED -> due.delete(dueKey(before.dueAt(), key));
      case DUPLICATE -> {
        return;
      }
      default -> { }
    }
    profiles.put(key, profile);
  }

  private void remind(long now) {
    List<byte[]> ready = new ArrayList<>();
    try (var found = due.range(dueKey(lookedThrough, ""), dueKey(now + 1, ""))) {
      found.forEachRemaining(entry -> ready.add(entry.key.get()));
    }
    for (byte[] entry : ready) {
      String key = new String(entry, Long.BYTES, entry.length - Long.BYTES, UTF_8);
      Profile profile = profiles.get(key);
      Map<String, String> command = Map.of("send", "checkout_reminder", "checkout_id", profile.waits.checkoutId());
      context.forward(new Record<>(key, command, now));
      books.sent();
      profile.waits = null;
      profiles.put(key, profile);
      due.delete(org.apache.kafka.common.utils.Bytes.wrap(entry));
    }
    lookedThrough = now;
  }

  /** Who is still waited for. */
  @Override
  public void close() {
    try (KeyValueIterator<org.apache.kafka.common.utils.Bytes, byte[]> left = due.all()) {
      for (; left.hasNext(); left.next()) {
        books.waits();
      }
    }
  }

  private static org.apache.kafka.common.utils.Bytes dueKey(long dueAt, String key) {
    byte[] name = key.getBytes(UTF_8);
    byte[] entry = Arrays.copyOf(new byte[0], Long.BYTES + name.length);
    Bytes.LONG.set(entry, 0, dueAt);
    System.arraycopy(name, 0, entry, Long.BYTES, name.length);
    return org.apache.kafka.common.utils.Bytes.wrap(entry);
  }
}
