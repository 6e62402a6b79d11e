"""The broker: logs per topic and partition, one clock for all, compaction and truncation."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import NamedTuple

from tests.simulation.clockwork import VirtualLoop

Item = tuple[bytes | None, bytes]
_offset = attrgetter("offset")


class Record(NamedTuple):
    """As the client hands it over."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Log:
    """One partition. What compaction takes away leaves a gap in the offsets."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.begins, self.end = 0, 0

    def append(self, items: Sequence[Item], *, at: int, headers: tuple[tuple[str, bytes], ...] = ()) -> int:
        """Append a batch; the offset of its first record."""
        base = self.end
        self.records += [Record(base + n, at, key, value, headers) for n, (key, value) in enumerate(items)]
        self.end += len(items)
        return base

    def read(self, offset: int, limit: int = 1_000_000) -> list[Record]:
        """Records from an offset on."""
        first = bisect_left(self.records, offset, key=_offset)
        return self.records[first : first + limit]

    def compact(self, *, older_than: int) -> None:
        """Keep the last value of every key below the first record that is too young to be cleaned."""
        young = next((at for at, record in enumerate(self.records) if record.timestamp >= older_than), None)
        clean, rest = self.records[:young], [] if young is None else self.records[young:]
        last = {record.key: record.offset for record in clean}
        self.records = [one for one in clean if last[one.key] == one.offset or one.offset == self.end - 1] + rest

    def truncate(self, begins: int) -> None:
        """Forget everything below an offset."""
        self.begins = max(self.begins, begins)
        self.records = self.read(self.begins)


class Broker:
    """All logs. `skew_ms` moves its clock, which need not go forward only."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.skew_ms = 0
        self.latest_at = 0
        """The latest time it has given to a record."""
        self._loop = loop
        self._logs: dict[tuple[str, int], Log] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._after: dict[tuple[str, int], list[Callable[[Sequence[Item]], bool]]] = {}
        self._trace = blake2b(digest_size=16)

    @property
    def now_at(self) -> int:
        """Its clock."""
        return int(self._loop.time() * 1000) + self.skew_ms

    @property
    def trace(self) -> str:
        """A hash over everything that has been appended and noted, and when."""
        return self._trace.hexdigest()

    def log(self, topic: str, partition: int) -> Log:
        """One partition of a topic."""
        return self._logs.setdefault((topic, partition), Log())

    def forget(self, topic: str, partition: int) -> None:
        """The partition is made anew."""
        self._logs[topic, partition] = Log()

    def append(
        self, topic: str, partition: int, items: Sequence[Item], *, headers: tuple[tuple[str, bytes], ...] = ()
    ) -> tuple[int, int]:
        """Append a batch; the offset of its first record, and its append time."""
        at = self.now_at
        self.latest_at = max(self.latest_at, at)
        base = self.log(topic, partition).append(items, at=at, headers=headers)
        self.note(f"{topic}/{partition}@{base} {at}", *(value for _, value in items))
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        for callback in self._after.pop((topic, partition), ()):
            if not callback(items):
                self.after_next(topic, partition, callback)
        return base, at

    def after_next(self, topic: str, partition: int, callback: Callable[[Sequence[Item]], bool]) -> None:
        """Call back right behind a batch, before anything else is appended; the next one, if it says false."""
        self._after.setdefault((topic, partition), []).append(callback)

    def note(self, text: str, *values: bytes) -> None:
        """Put something into the trace."""
        self._trace.update(f"{self._loop.time():.6f} {text}\n".encode())
        for value in values:
            self._trace.update(value)

    async def news(self, *, timeout_seconds: float) -> None:
        """Return when something has been appended anywhere, or after a while."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await asyncio.wait([future], timeout=timeout_seconds)
