package peer;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

import static java.nio.charset.StandardCharsets.UTF_8;

/** The bytes of a state while they are written or read: variable-length counts, longs, and texts with their length. */
final class Bytes {
  static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

  private byte[] bytes;
  private int at;

  Bytes(byte[] bytes) {
    this.bytes = bytes;
  }

  /** Begin again at the front. */
  Bytes rewound() {
    at = 0;
    return this;
  }

  byte[] written() {
    return Arrays.copyOf(bytes, at);
  }

  void count(int value) {
    room(5);
    for (; (value & ~0x7f) != 0; value >>>= 7) {
      bytes[at++] = (byte) (value | 0x80);
    }
    bytes[at++] = (byte) value;
  }

  int count() {
    int value = 0;
    for (int shift = 0; ; shift += 7) {
      byte next = bytes[at++];
      value |= (next & 0x7f) << shift;
      if (next >= 0) {
        return value;
      }
    }
  }

  void instant(long value) {
    room(8);
    LONG.set(bytes, at, value);
    at += 8;
  }

  long instant() {
    long value = (long) LONG.get(bytes, at);
    at += 8;
    return value;
  }

  void run(byte[] value) {
    count(value.length);
    room(value.length);
    System.arraycopy(value, 0, bytes, at, value.length);
    at += value.length;
  }

  byte[] run() {
    int length = count();
    at += length;
    return Arrays.copyOfRange(bytes, at - length, at);
  }

  void text(String value) {
    run(value.getBytes(UTF_8));
  }

  String text() {
    int length = count();
    at += length;
    return new String(bytes, at - length, length, UTF_8);
  }

  private void room(int more) {
    if (at + more > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, at + more));
    }
  }
}
