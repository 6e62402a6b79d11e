"""Business events already applied to a profile: first copy wins, for 14 days, at most 2,000 keys.

Kept as one packed run of bytes in order of arrival, so that state is decoded and encoded without touching it:
8 bytes of key hash, 4 of body hash (lowest bit: this key may not be evicted), 4 of seconds when it was first seen.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Literal
from zlib import crc32

from schemas.event import LoggedEvent, dedupe_identity
from schemas.instants import to_wire
from schemas.limits import DEDUPE_HORIZON_MS, DEDUPE_KEYS_MAX

ENTRY = struct.Struct(">8sII")
_SIZE = ENTRY.size
_BODY_END = 11  # the last byte of the body hash
_SECONDS_AT = _BODY_END + 1
BYTES_MAX = DEDUPE_KEYS_MAX * _SIZE
_HORIZON_SECONDS = DEDUPE_HORIZON_MS // 1000
_LASTING = ("commerce.order.", "commerce.payment.", "consent.")  # prefixes whose keys are evicted last
_SECONDS = struct.Struct(">I")

Answer = Literal["new", "duplicate", "conflict"]


def fingerprint(event: LoggedEvent) -> tuple[bytes, int]:
    """(key hash, body hash) of an event. The body is what the shop said: value, properties, items."""
    begun, lasting = _of_type(event.type)
    key_hash, value = begun.copy(), event.value
    key_hash.update(dedupe_identity(event).encode())
    body = crc32(event.items, crc32(event.properties))
    if value is not None:
        body = crc32(f"{value.amount}{value.currency}".encode(), body)
    return key_hash.digest(), body & ~1 | lasting


@lru_cache(maxsize=1024)
def _of_type(type_: str) -> tuple[blake2b, bool]:
    """The key hash of its events as far as the type goes, to be copied; and whether their keys are evicted last."""
    return blake2b(f"{type_}\x1f".encode(), digest_size=8), type_.startswith(_LASTING)


def look_up(seen: bytes, *, key: bytes, body: int, now: int) -> Answer:
    """Whether these bytes hold the key within the horizon, and if so whether with the same body."""
    at = _find(seen, key)
    if at == -1:
        return "new"
    _, known, seen_seconds = ENTRY.unpack_from(seen, at)
    if seen_seconds < _oldest_seconds(now):
        return "new"
    return "duplicate" if known == body else "conflict"


def first_at(seen: bytes, *, key: bytes) -> int:
    """The second in which the copy that counts was appended, for whoever wants to see it beside one that differs."""
    return int(ENTRY.unpack_from(seen, _find(seen, key))[2]) * 1000


def tell_conflict(first_at: int) -> str:
    """Why a copy is put aside."""
    first = f"the first copy counts, which was appended to this partition at {to_wire(first_at)} or within"
    return f"{first} the second after it; this one has another value, other properties or items, and changes nothing"


def remember(seen: bytes, key: bytes, body: int, now: int, room: int = BYTES_MAX) -> tuple[bytes, int]:
    """The bytes with the key added, and how many live keys were evicted for it to fit into `room` bytes."""
    seconds = now // 1000
    if seen and _SECONDS.unpack_from(seen, _SECONDS_AT)[0] < seconds - _HORIZON_SECONDS:
        seen = _forget_old(seen, now=now)
    added, evicted = ENTRY.pack(key, body, seconds), 0
    if (size := len(seen) + _SIZE) > room or size > BYTES_MAX:
        seen, evicted = shrink(seen, excess=size - min(room, BYTES_MAX), lasting=True)
    return seen + added, evicted


def shrink(seen: bytes, *, excess: int, lasting: bool) -> tuple[bytes, int]:
    """The bytes without so many of the oldest keys as make up the excess, and how many that were.

    Keys of orders and the like go last, and only if `lasting`.
    """
    wanted, flags = max(0, -(-excess // _SIZE)), seen[_BODY_END::_SIZE]
    gone = list(islice((at for at, flag in enumerate(flags) if not flag & 1), wanted))
    if lasting:
        gone += islice((at for at, flag in enumerate(flags) if flag & 1), wanted - len(gone))
    kept = bytearray(seen)
    for at in sorted(gone, reverse=True):
        del kept[at * _SIZE : (at + 1) * _SIZE]
    return bytes(kept), len(gone)


def lasting_bytes(seen: bytes) -> int:
    """Bytes of the keys that are evicted last."""
    return _SIZE * sum(flag & 1 for flag in seen[_BODY_END::_SIZE])


def count(seen: bytes) -> int:
    """How many keys are held."""
    return len(seen) // _SIZE


def _find(seen: bytes, key: bytes) -> int:
    """Where its entry begins; -1 without one."""
    at = seen.find(key)
    while at % _SIZE and at != -1:
        at = seen.find(key, at + 1)
    return at


def _oldest_seconds(now: int) -> int:
    return (now - DEDUPE_HORIZON_MS) // 1000


def _forget_old(seen: bytes, *, now: int) -> bytes:
    oldest = _oldest_seconds(now)
    start = 0
    while start < len(seen) and ENTRY.unpack_from(seen, start)[2] < oldest:
        start += _SIZE
    return seen[start:] if start else seen
