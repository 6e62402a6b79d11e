"""When timers will fire: counted from the changelog, flow by flow, without any worker.

A changelog may hold many states of one person, so the last one has to be known before it counts. One partition is read
at a time, and of each of its people two numbers are kept: some 130 bytes. With a million people that is 4 MB for each
of 32 partitions, one after the other, and 130 MB if all are in one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from agents.topic_reader import read_stretches
from schemas import codec
from schemas.profile import NEVER
from schemas.waits import waits_of

HOUR_MS = 3_600_000
#: Of now; what is due before the first is `overdue`, what after the last `later`.
BOUNDS_MS = (0, HOUR_MS, 24 * HOUR_MS, 30 * 24 * HOUR_MS)
WINDOWS = ("overdue", "hour", "day", "month", "later")

Wait = tuple[str, int]  # flow, and place of a window in `WINDOWS`


class Forecast(NamedTuple):
    """How many timers of which flow are due in which window, and of how many people."""

    waits: Counter[Wait]
    profiles: int


class PartitionForecast:
    """Feed it a changelog partition in order; of each key the state with the highest applied offset counts."""

    _CODES = 1 << 32  # more combinations of waits than there can be people

    def __init__(self, *, now_at: int) -> None:
        self._now_at = now_at
        self._latest: dict[int, int] = {}  # hash of a key -> applied offset and code, in one number
        self._codes: dict[tuple[Wait, ...], int] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """One record. Two keys of one hash, once in ten million changelogs of a million people, count as one."""
        if key[:1] == b"\x00":
            return
        name = hash(key)
        if value is None:
            self._latest.pop(name, None)
            return
        applied = codec.peek(value)[0] + 1  # nothing applied is -1
        if applied >= self._latest.get(name, 0) // self._CODES:
            due = [(flow, self._window(wakeup_at)) for flow, wakeup_at in waits_of(value) if wakeup_at != NEVER]
            waits = tuple(sorted(due))
            self._latest[name] = applied * self._CODES + self._codes.setdefault(waits, len(self._codes))

    def result(self) -> Forecast:
        """After the last record."""
        people = Counter(number % self._CODES for number in self._latest.values())
        waits: Counter[Wait] = Counter()
        for combination, code in self._codes.items():
            for wait in combination:
                waits[wait] += people[code]
        return Forecast(waits, len(self._latest))

    def _window(self, wakeup_at: int) -> int:
        return sum(wakeup_at - self._now_at >= bound for bound in BOUNDS_MS)


async def forecast_partition(
    kafka: str, topic: str, partition: int, *, first: int, end: int, now_at: int
) -> AsyncIterator[int | Forecast]:
    """Reads one changelog partition. Yields how many records it has read now and then, and the forecast at the end."""
    counted, made = 0, PartitionForecast(now_at=now_at)
    async for record in read_stretches(kafka, topic, {partition: (first, end)}):
        made.take(record.key, record.value)
        counted += 1
        if counted % 10_000 == 0:
            yield counted
    yield made.result()


def windows(waits: Iterable[tuple[Wait, int]]) -> dict[str, int]:
    """Counts for people: the next hour is part of the next day, and that of the next month."""
    counts = Counter[int]()
    for (_, window), count in waits:
        counts[window] += count
    overdue, hour, day, month, later = (counts[place] for place in range(len(WINDOWS)))
    return {
        "overdue": overdue,
        "hour": hour,
        "day": hour + day,
        "month": hour + day + month,
        "later": later,
        "all": overdue + hour + day + month + later,
    }
