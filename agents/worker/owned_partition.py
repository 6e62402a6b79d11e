"""One owned partition: deliveries wait in line, and one task turns them into units of work, one at a time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from agents.errors import Halted
from agents.faust_engine import Delivery, end_process
from agents.worker.arrivals import arrivals
from agents.worker.metrics import Metrics
from agents.worker.ticking import TickState
from agents.worker.unit_of_work import UnitOfWork
from schemas.command import Clock
from streams.partition import Partition

#: Fetched batches that may wait while one is worked on; then the consumer waits with the next.
WAITING_MAX = 3
#: A unit that takes longer than this to finish after a revocation is stuck.
FINISH_SECONDS = 10.0


class OwnedPartition:
    """Made by a rebuild, dropped at the next revocation."""

    def __init__(self, *, core: Partition, unit: UnitOfWork[Any], topic: str, clock: Clock, metrics: Metrics) -> None:
        self.core = core
        self.number = core.number
        self.tick = TickState()
        self.owned_at = time.time_ns() // 1_000_000
        self._unit, self._topic, self._clock, self._metrics = unit, topic, clock, metrics
        self._waiting: deque[Delivery] = deque()
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._next_offset = core.position
        self._closed = self._busy = False
        self._task = asyncio.create_task(self._run(), name=f"partition-{self.number}")

    async def room(self) -> None:
        """Return when one more delivery may come, or none will be taken any more."""
        await self._room.wait()

    def take(self, delivery: Delivery) -> bool:
        """Put a delivery in line; false after `close`. Raises Halted if it does not follow the one before it."""
        if self._closed:
            return False
        first = delivery.records[0].offset
        if first != self._next_offset:
            raise Halted(
                f"partition {self.number}: records from {first} on were delivered, {self._next_offset} is the next",
                next_step="start the worker again, it reads from its position on; report this if it recurs",
            )
        self._next_offset = delivery.records[-1].offset + 1
        self._waiting.append(delivery)
        self._arrived.set()
        if len(self._waiting) >= WAITING_MAX:
            self._room.clear()
        return True

    async def close(self) -> None:
        """Drop what waits and finish the unit that is in flight. Raises Halted if it does not finish."""
        self._closed = True
        self._waiting.clear()
        self._room.set()
        if not self._busy:
            self._task.cancel()
            return
        await asyncio.wait([self._task], timeout=FINISH_SECONDS)
        if self._busy:
            raise Halted(
                f"partition {self.number}: its unit of work did not finish within {FINISH_SECONDS:g} s of a revocation",
                next_step="see whether the broker takes writes, then start the worker again; nothing is lost",
            )

    async def _run(self) -> None:
        while not self._closed:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            delivery = self._waiting.popleft()
            self._room.set()
            self._busy = True
            try:
                await self._work(delivery)
            except Exception as error:  # noqa: BLE001 - a unit half done cannot be done again in this process
                end_process(error)
            self._busy = False

    async def _work(self, delivery: Delivery) -> None:
        began = time.perf_counter()
        records, refused = arrivals(delivery.records, clock=self._clock, topic=self._topic, partition=self.number)
        outputs = self.core.process(records)
        for reason, key, letter in refused:
            outputs.dead_letters.append((key, letter))
            outputs.tallies[("event", reason)] += 1
        await self._unit.settle(outputs, self.core.snapshot())
        self.core.settled()
        delivery.done()
        self._metrics.unit(outputs, seconds=time.perf_counter() - began)
