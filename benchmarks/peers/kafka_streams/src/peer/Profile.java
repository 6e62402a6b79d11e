package peer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The state of one person, and what an event does to it: as benchmarks/peers/job.py has it. */
final class Profile {
  static final long WAIT_MS = 2_000;
  static final double TOTAL_MIN = 20.0;
  static final int RECENT_MAX = 100;
  static final String CHECKOUT = "commerce.checkout.started.v1";
  static final String ORDER = "commerce.order.placed.v1";
  static final String CART = "commerce.cart.item_added.v1";
  private static final int ID_BYTES = 16;

  enum Did { APPLIED, DUPLICATE, ARMED, CANCELED }

  /** The checkout that is waited for, and until when. */
  record Waits(String checkoutId, String anchorAt, long dueAt, List<Event.Item> items) {}

  private Map<String, Integer> counts = new LinkedHashMap<>(8);
  private String firstSeen;
  private String lastSeen;
  private Map<String, String> identity = Map.of();
  private Map<String, Integer> cart = new LinkedHashMap<>(4);
  private byte[] recent = {};
  private String orderedAt = "";
  Waits waits;

  Profile(String firstSeen) {
    this.firstSeen = firstSeen;
    this.lastSeen = firstSeen;
  }

  /** Apply one event; a wait that begins with it ends after `now`. */
  Did apply(Event event, long now) {
    byte[] id = bytesOf(event.id);
    if (holds(id)) {
      return Did.DUPLICATE;
    }
    remember(id);
    counts.merge(event.type, 1, Integer::sum);
    identity = event.identity;
    if (event.time.compareTo(lastSeen) > 0) {
      lastSeen = event.time;
    }
    switch (event.type) {
      case CART -> cart.merge(event.properties.sku, event.properties.quantity, Integer::sum);
      case CHECKOUT -> {
        return started(event, now);
      }
      case ORDER -> {
        return ordered(event);
      }
      default -> { }
    }
    return Did.APPLIED;
  }

  private Did started(Event event, long now) {
    boolean enough = event.value != null && Double.parseDouble(event.value.amount) >= TOTAL_MIN;
    if (!enough || waits != null || orderedAt.compareTo(event.time) > 0) {
      return Did.APPLIED;
    }
    waits = new Waits(event.properties.checkout_id, event.time, now + WAIT_MS, event.items);
    return Did.ARMED;
  }

  private Did ordered(Event event) {
    cart = new LinkedHashMap<>(4);
    if (event.time.compareTo(orderedAt) > 0) {
      orderedAt = event.time;
    }
    if (waits == null || event.time.compareTo(waits.anchorAt) <= 0) {
      return Did.APPLIED;
    }
    waits = null;
    return Did.CANCELED;
  }

  private static byte[] bytesOf(String id) {
    byte[] bytes = new byte[ID_BYTES];
    for (int at = 0; at < ID_BYTES; at++) {
      bytes[at] = (byte) (Character.digit(id.charAt(2 * at), 16) << 4 | Character.digit(id.charAt(2 * at + 1), 16));
    }
    return bytes;
  }

  private boolean holds(byte[] id) {
    long high = (long) Bytes.LONG.get(id, 0);
    long low = (long) Bytes.LONG.get(id, 8);
    for (int at = 0; at < recent.length; at += ID_BYTES) {
      if ((long) Bytes.LONG.get(recent, at) == high && (long) Bytes.LONG.get(recent, at + 8) == low) {
        return true;
      }
    }
    return false;
  }

  private void remember(byte[] id) {
    int from = recent.length == RECENT_MAX * ID_BYTES ? ID_BYTES : 0;
    byte[] longer = Arrays.copyOfRange(recent, from, recent.length + ID_BYTES);
    System.arraycopy(id, 0, longer, longer.length - ID_BYTES, ID_BYTES);
    recent = longer;
  }

  /** The counters come first: the check of the benchmark reads them from the changelog. */
  void write(Bytes to) {
    numbers(to, counts);
    to.text(firstSeen);
    to.text(lastSeen);
    to.count(identity.size());
    identity.forEach((kind, value) -> {
      to.text(kind);
      to.text(value);
    });
    numbers(to, cart);
    to.run(recent);
    to.text(orderedAt);
    to.count(waits == null ? 0 : 1);
    if (waits != null) {
      to.text(waits.checkoutId);
      to.text(waits.anchorAt);
      to.instant(waits.dueAt);
      to.count(waits.items.size());
      for (Event.Item item : waits.items) {
        to.text(item.sku);
        to.text(item.name);
        to.text(item.price.amount);
        to.count(item.quantity);
      }
    }
  }

  static Profile read(Bytes from) {
    Map<String, Integer> counts = numbers(from);
    Profile profile = new Profile(from.text());
    profile.counts = counts;
    profile.lastSeen = from.text();
    Map<String, String> identity = new LinkedHashMap<>(4);
    for (int left = from.count(); left > 0; left--) {
      identity.put(from.text(), from.text());
    }
    profile.identity = identity;
    profile.cart = numbers(from);
    profile.recent = from.run();
    profile.orderedAt = from.text();
    if (from.count() == 1) {
      profile.waits = new Waits(from.text(), from.text(), from.instant(), items(from));
    }
    return profile;
  }

  private static List<Event.Item> items(Bytes from) {
    int size = from.count();
    List<Event.Item> items = new ArrayList<>(size);
    for (int left = size; left > 0; left--) {
      Event.Item item = new Event.Item();
      item.sku = from.text();
      item.name = from.text();
      item.price = new Event.Money();
      item.price.amount = from.text();
      item.quantity = from.count();
      items.add(item);
    }
    return items;
  }

  private static void numbers(Bytes to, Map<String, Integer> numbers) {
    to.count(numbers.size());
    numbers.forEach((name, number) -> {
      to.text(name);
      to.count(number);
    });
  }

  private static Map<String, Integer> numbers(Bytes from) {
    int size = from.count();
    Map<String, Integer> numbers = new LinkedHashMap<>(Math.max(4, 2 * size));
    for (int left = size; left > 0; left--) {
      numbers.put(from.text(), from.count());
    }
    return numbers;
  }
}
