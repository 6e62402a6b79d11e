package peer;

import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** What it has done. One stream thread writes it, and it is read when that thread has ended. */
final class Books {
  private final Map<Profile.Did, Long> did = new EnumMap<>(Profile.Did.class);
  private final Map<Integer, Long> positions = new TreeMap<>();
  private long sent;
  private long waiting;

  void did(Profile.Did what) {
    did.merge(what, 1L, Long::sum);
  }

  void took(int partition, long offset) {
    positions.put(partition, offset + 1);
  }

  void sent() {
    sent++;
  }

  void waits() {
    waiting++;
  }

  /** As benchmarks/peers/job.py reads it. An event that armed or canceled was applied as well. */
  Map<String, Object> account() {
    long armed = did.getOrDefault(Profile.Did.ARMED, 0L);
    long canceled = did.getOrDefault(Profile.Did.CANCELED, 0L);
    Map<String, Long> counts = new LinkedHashMap<>();
    counts.put("applied", did.getOrDefault(Profile.Did.APPLIED, 0L) + armed + canceled);
    counts.put("duplicate", did.getOrDefault(Profile.Did.DUPLICATE, 0L));
    counts.put("armed", armed);
    counts.put("canceled", canceled);
    counts.put("sent", sent);
    return Map.of("did", counts, "waiting", waiting, "positions", positions);
  }
}
