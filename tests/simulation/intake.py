"""Connectors and intake, as the worker sees them: raw topics that fill, a profile log that follows, marks of how far.

Intake may stop for a while, fall back to its last mark, and forward things twice; its marks never lie.
"""

from __future__ import annotations

import asyncio
import zlib
from random import Random
from typing import NamedTuple

from agents.intake.low_water import LowWater
from schemas import codec
from schemas.control import Progress, Watermark
from schemas.edge import Accepted
from schemas.topics import Topics
from tests.simulation.broker import Broker, Item
from tests.simulation.clockwork import VirtualLoop, pause

WATERMARK = b"\x00watermark"


class Reported(NamedTuple):
    """One event, and when the broker had it; `at` never falls back, whatever the broker's clock does."""

    at: int
    partition: int


class Intake:
    """All raw partitions. `forwarded` says where in the profile log an event of the raw topic stands first."""

    def __init__(self, *, loop: VirtualLoop, broker: Broker, dice: Random, topics: Topics) -> None:
        self._loop, self._broker, self._dice, self._topics = loop, broker, dice, topics
        self._mark_seconds = dice.choice((0.15, 0.3, 0.6))
        self._seconds = dice.choice((0.001, 0.01, 0.1))
        self._arrived = [asyncio.Event() for _ in range(topics.raw.partitions)]
        self._going = asyncio.Event()
        self._going.set()
        self._generation = 0
        self._kept: dict[int, Progress] = {}
        self._marked: dict[int, float] = {}
        self.marking = True
        self.reported: dict[tuple[int, int], Reported] = {}
        self.forwarded: dict[tuple[int, int], int] = {}

    # --- connectors -----------------------------------------------------------------------------

    def report(self, event: Accepted) -> None:
        """A connector writes an event."""
        raw = zlib.crc32(b"raw" + event.key) % self._topics.raw.partitions
        offset, _ = self._raw(raw, event.key, event.value)
        self.reported[raw, offset] = Reported(self._broker.latest_at, self.partition_of(event.key))

    def partition_of(self, key: bytes) -> int:
        """Of the profile log."""
        return zlib.crc32(key) % self._topics.profile_log.partitions

    def promise(self, mark: Watermark) -> None:
        """A connector writes a watermark, to every raw partition."""
        for raw in range(self._topics.raw.partitions):
            self._raw(raw, WATERMARK, codec.encode(mark))

    def _raw(self, raw: int, key: bytes, value: bytes) -> tuple[int, int]:
        appended = self._broker.append(self._topics.raw.name, raw, [(key, value)])
        self._arrived[raw].set()
        return appended

    # --- intake -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin, or come back."""
        self._going.set()
        self._generation += 1
        for raw in range(self._topics.raw.partitions):
            self._loop.world(self._run(raw, self._generation))

    def stop(self) -> None:
        """Die where it is."""
        self._generation += 1

    async def _run(self, raw: int, generation: int) -> None:
        low, log = LowWater(raw), self._broker.log(self._topics.raw.name, raw)
        kept = self._kept.get(raw)
        position = 0
        if kept is not None:
            low.restore(kept)
            position = kept.next_offset
        while True:
            records = log.read(position, self._dice.choice((1, 10, 100)))
            for record in records:
                if record.key == WATERMARK:
                    low.note(codec.decode(record.value, Watermark))
                    continue
                if self._dice.random() < 0.3:
                    await pause(self._dice.uniform(0, self._seconds))
                if generation != self._generation:
                    return
                self._forward(raw, record.offset, (record.key, record.value))
            position += len(records)
            low.acknowledged()
            low.forwarded_below(position)
            await self._idle(raw, waits=not records)
            if generation != self._generation:
                return
            self._mark(raw, low, position)

    def _forward(self, raw: int, offset: int, item: Item) -> None:
        partition = self.reported[raw, offset].partition
        base, _ = self._broker.append(self._topics.profile_log.name, partition, [item])
        self.forwarded.setdefault((raw, offset), base)

    async def _idle(self, raw: int, *, waits: bool) -> None:
        if waits:
            self._arrived[raw].clear()
            try:
                async with asyncio.timeout(self._mark_seconds):
                    await self._arrived[raw].wait()
            except TimeoutError:
                pass

    def _mark(self, raw: int, low: LowWater, position: int) -> None:
        if self.marking and self._loop.time() >= self._marked.get(raw, 0.0) + self._mark_seconds:
            self._marked[raw] = self._loop.time()
            progress = self._kept[raw] = low.progress(position)
            _, at = self._broker.append(self._topics.progress.name, 0, [(b"%d" % raw, codec.encode(progress))])
            low.asked(after=at, end=self._broker.log(self._topics.raw.name, raw).end)
