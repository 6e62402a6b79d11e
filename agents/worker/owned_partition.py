"""One owned partition, from its claim to its release: deliveries in line, outputs on their way, state now and then.

Three things go on side by side. Deliveries are worked off one after the other, each in one go. What a unit of work says
leaves at once, and the next unit does not wait for its acknowledgement. State is written once per window, when all that
was said up to then is acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from agents.definitions.book import NOTHING, Book
from agents.errors import Halted
from agents.faust_engine import Delivery
from agents.worker.arrivals import arrivals
from agents.worker.metrics import Metrics
from agents.worker.population import Population
from agents.worker.ticking import TickState
from agents.worker.unit_of_work import UnitOfWork
from schemas import codec
from schemas.activation import Activation
from schemas.command import Clock
from schemas.control import ACTIVATION_KEY
from schemas.profile import Stopped
from streams.partition import Outputs, Partition

log = logging.getLogger("cartwheel.worker")

#: Fetched batches that may wait while one is worked on; then no more are fetched.
WAITING_MAX = 3
#: Units of work whose outputs may be on their way; then the next one waits.
AHEAD_MAX = 4
#: State is written so long after the first change since it was written last. A crash replays at most this much.
WINDOW_SECONDS = 0.5
#: Or as soon as so many profiles have changed; some 20 ms of the event loop.
CHANGED_MAX = 2_000
#: Deliveries whose state is not written yet; then the next one waits.
UNSETTLED_MAX = 12
#: A partition that takes longer than this to write what it has after a revocation is stuck.
FINISH_SECONDS = 10.0


class OwnedPartition:
    """Made by a rebuild, dropped at the next revocation. `fail` ends the process.

    One that `begins` writes down which flows it begins with, before it works.
    """

    def __init__(
        self,
        *,
        core: Partition,
        unit: UnitOfWork[Any],
        population: Population,
        claim: bytes,
        epoch_before: int,
        begins: bool,
        book: Book,
        topic: str,
        clock: Clock,
        clock_ms: Callable[[], int],
        metrics: Metrics,
        fail: Callable[[BaseException], object],
    ) -> None:
        self.core = core
        self.number = core.number
        self.unit = unit
        self.tick = TickState()
        self._clock_ms, self.owned_at = clock_ms, clock_ms()
        self.population = population
        self.first_position = self.settled_position = core.position
        """Where we began; up to where all is in the local store."""
        self._activation = core.program.number
        self._claim, self._epoch_before, self._begins, self._book = claim, epoch_before, begins, book
        self.asked = -1
        """Number of the activation that we have appended last."""
        self._topic, self._clock, self._metrics = topic, clock, metrics
        self._fail = fail
        self._waiting: deque[Delivery] = deque()
        self._unsettled: list[Delivery] = []
        self._saying: deque[asyncio.Task[None]] = deque()
        self._in_order = asyncio.Lock()
        self._changed, self._flush_due, self._closing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._window: asyncio.TimerHandle | None = None
        self._next_offset = core.position
        self._closed = self._flushing = False
        self._work = asyncio.create_task(self._guarded(self._take_over_and_work()), name=f"partition-{self.number}")
        self._flush = asyncio.create_task(self._guarded(self._flush_when_due()), name=f"flush-{self.number}")

    @property
    def stopped_because(self) -> str | None:
        """Why nothing is taken until an operator says so."""
        return self.core.stopped.reason if self.core.stopped else None

    @property
    def position(self) -> int:
        """The next offset to be evaluated."""
        return self.core.position

    @property
    def epoch(self) -> int:
        """Ours, 0 before the claim is written."""
        return self.unit.epoch

    @property
    def unread_at(self) -> int | None:
        """The append time of the next record to be evaluated, if it is here already."""
        return int(self._waiting[0].records[0].timestamp) if self._waiting else None

    @property
    def is_behind(self) -> bool:
        """Whether a delivery waits that has not been worked off."""
        return bool(self._waiting)

    def has_room(self) -> bool:
        """Whether one more delivery may come."""
        return len(self._waiting) < WAITING_MAX and self.core.stopped is None

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
        self._changed.set()
        return True

    async def close(self) -> None:
        """Drop what waits, and write what has been worked off. Raises Halted if that does not come to an end."""
        self._closed = True
        self._waiting.clear()
        for event in (self._changed, self._flush_due, self._closing):
            event.set()
        _, late = await asyncio.wait([self._work, self._flush], timeout=FINISH_SECONDS)
        if late:
            raise Halted(
                f"partition {self.number}: its state was not written within {FINISH_SECONDS:g} s of a revocation",
                next_step="see whether the broker takes writes, then start the worker again; nothing is lost",
            )

    # --- working -----------------------------------------------------------------------------------------

    async def _guarded(self, doing: Any) -> None:
        try:
            await doing
        except Exception as error:
            self._fail(error)
            raise

    async def _take_over_and_work(self) -> None:
        await self.unit.claim(self._claim, epoch_before=self._epoch_before)
        if self._begins:
            await self.unit.settle(self.core.snapshot(epoch=self.unit.epoch))
            self.core.settled()
        while True:
            while not (self._closed or self._may_work()):
                self._changed.clear()
                await self._changed.wait()
            if self._closed:
                return
            delivery = self._waiting[0]
            for record in delivery.records:
                if record.key == ACTIVATION_KEY:
                    await self._reach(_number_of(record.value))
            if self._waiting:  # or we were told to close meanwhile
                self._work_off(self._waiting.popleft())
            await asyncio.sleep(0)  # other partitions have their turn

    async def _reach(self, number: int) -> None:
        """Return when the definitions have been read so far, or when it does not matter any more."""
        reading, closing = asyncio.create_task(self._book.reach(number)), asyncio.create_task(self._closing.wait())
        await asyncio.wait([reading, closing], return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if reading.done():
            reading.result()
        reading.cancel()

    def _may_work(self) -> bool:
        return bool(
            self._waiting
            and self.core.stopped is None
            and len(self._saying) < AHEAD_MAX
            and len(self._unsettled) < UNSETTLED_MAX
            and not (self._flushing and self.core.dirty >= CHANGED_MAX)
        )

    def _work_off(self, delivery: Delivery) -> None:
        began = time.perf_counter()
        outputs = self.core.process(arrivals(delivery.records, clock=self._clock, replayed=self._metrics.replayed))
        self._unsettled.append(delivery)
        if self.core.stopped is not None:
            self._waiting.clear()
            log.error("%s", stop_of(self.number, self.core.stopped))
        if outputs.commands or outputs.decisions or outputs.dead_letters or outputs.events:
            task = asyncio.create_task(self._guarded(self._say(outputs)))
            self._saying.append(task)
            task.add_done_callback(self._said)
        if self.core.program.number > self._activation:
            self._activation = self.core.program.number
            self._metrics.declare(self.core.program.flows)
            log.info("partition %s: activation %s is in force", self.number, self._activation)
        self._plan_flush()
        self.population.evaluated(outputs.tallies)
        self._metrics.unit(
            outputs,
            seconds=time.perf_counter() - began,
            fetched=delivery.records,
            evaluated_at=self._clock_ms(),
        )

    async def _say(self, outputs: Outputs) -> None:
        async with self._in_order:  # first come, first served
            pending = await self.unit.produce(outputs)
        self.unit.reached("outputs_produced")
        for acknowledged in pending:
            await acknowledged
        self.unit.reached("outputs_acknowledged")

    def _said(self, _: object) -> None:
        while self._saying and self._saying[0].done():
            self._saying.popleft()
        self._changed.set()

    # --- writing state -----------------------------------------------------------------------------------

    def _plan_flush(self) -> None:
        if self.core.dirty >= CHANGED_MAX or len(self._unsettled) >= UNSETTLED_MAX:
            self._flush_due.set()
        elif self._window is None and not self._flush_due.is_set():
            self._window = asyncio.get_running_loop().call_later(WINDOW_SECONDS, self._flush_due.set)

    async def _flush_when_due(self) -> None:
        while not (self._closed and not self._unsettled):
            await self._flush_due.wait()
            if self._window is not None:
                self._window.cancel()
                self._window = None
            if self._closed:
                await asyncio.wait([self._work])  # it ends at the next unit, having been told
            else:
                self._flush_due.clear()
            if self._unsettled:
                await self._write_state()

    async def _write_state(self) -> None:
        """The snapshot is taken between two units; what is worked off meanwhile belongs to the next one."""
        self._flushing = True
        snapshot = self.core.snapshot(epoch=self.unit.epoch)
        settled, self._unsettled = self._unsettled, []
        for saying in list(self._saying):
            await saying
        foreign, repaired = self.unit.foreign_records, self.unit.repaired
        await self.unit.settle(snapshot)
        self.core.settled()
        self.settled_position = snapshot.position
        self._metrics.settled(
            snapshot.states,
            foreign=self.unit.foreign_records - foreign,
            repaired=self.unit.repaired - repaired,
        )
        for delivery in settled:
            if delivery.records[-1].offset < snapshot.position:  # or it lies beyond where the partition has stopped
                delivery.done()
        self._flushing = False
        self._changed.set()


def _number_of(activation: bytes | None) -> int:
    """What has to be read of the definitions before an activation. One that is damaged is the core's to refuse."""
    try:
        return codec.decode(activation or b"", Activation).number
    except codec.Undecodable:
        return NOTHING


def stop_of(number: int, stopped: Stopped) -> str:
    """What to tell of a stop, with what ends it."""
    return (
        f"partition {number} stopped at offset {stopped.offset}: {stopped.reason}; once the cause is gone, start the"
        f" worker with --resume-stopped {number}@{stopped.offset} (deploy/runbooks/partition-stopped.md)"
    )
