"""The partitions that this process owns: rebuilt from the local store, worked on, and given up again."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from agents.definitions.book import BEGINNING_KEY, NOTHING, Book
from agents.errors import Misconfigured
from agents.faust_engine import Delivery, Duties, Engine
from agents.version import program_version
from agents.worker.arrivals import carried_time
from agents.worker.metrics import Metrics
from agents.worker.owned_partition import OwnedPartition, stop_of
from agents.worker.population import Population
from agents.worker.unit_of_work import Destinations, Effects, UnitOfWork
from schemas import codec
from schemas.activation import Beginning
from schemas.codec import PARTITION_KEY
from schemas.command import Clock
from schemas.instants import to_wire
from schemas.profile import PartitionRecord
from streams.partition import Partition

#: Profiles taken in between two looks at whether the rebuild is still wanted; a few milliseconds.
REBUILD_CHUNK = 1_000
#: Decoded profiles that a process keeps between units of work, all its partitions together; some 250 MB.
KEPT_PROFILES_MAX = 64_000

log = logging.getLogger("cartwheel.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is worked on, and for which log."""

    book: Book
    topic: str
    clock: Clock
    incarnation: str
    state_version: int = codec.STATE_VERSION
    """The one to write, of `codec.STATE_VERSIONS`."""
    resumed: frozenset[tuple[int, int]] = frozenset()
    """Stops that are over: the partition, and the offset at which it stopped. A later stop of it is another one."""


class Partitions:
    """Fulfils the engine's duties. `ready` is called with the numbers whenever all of them have been sought."""

    def __init__(
        self,
        *,
        engine: Engine,
        work: Work,
        destinations: Destinations,
        state_batch_bytes: int | None,
        metrics: Metrics,
        instance: str,
        clock_ms: Callable[[], int],
        reached: Callable[[str], None],
        ready: Callable[[list[int]], None],
        fail: Callable[[BaseException], object],
    ) -> None:
        self._engine, self._work, self._destinations = engine, work, destinations
        self._metrics, self._reached, self._ready = metrics, reached, ready
        self._instance, self._clock_ms, self._fail = instance, clock_ms, fail
        self._owned: dict[int, OwnedPartition] = {}
        self._started = False
        self._interrupted = time.monotonic()
        carried = work.clock == "carried"
        self._effects = Effects(
            pack=engine.batches.pack,
            pack_state=lambda items: engine.batches.pack(items, size=state_batch_bytes),
            pack_events=partial(engine.batches.pack, headers=carried_time) if carried else engine.batches.pack,
            send=engine.batches.send,
            load=engine.store.load,
            read_changelog=engine.read_changelog,
            store=lambda number, items, offset: engine.store.write(number, items, changelog_offset=offset),
            reached=reached,
        )

    def duties(self) -> Duties:
        """For the engine."""
        return Duties(
            rebuild=self._rebuild,
            positions=lambda: {number: one.core.position for number, one in self._owned.items()},
            started=self._start,
            has_room=lambda number: number not in self._owned or self._owned[number].has_room(),
            is_behind=lambda: any(partition.is_behind for partition in self._owned.values()),
            take=self._take,
            release=self._release,
            restored=self._metrics.restored,
            reached=self._reached,
        )

    @property
    def is_started(self) -> bool:
        """Whether all partitions that are ours, be there any or none, are being read."""
        return self._started

    def started(self) -> Collection[OwnedPartition]:
        """The owned partitions, from the moment on when all of them are being read."""
        return self._owned.values() if self._started else ()

    def lag(self, partition: OwnedPartition) -> int | None:
        """Records of the log not yet processed, if the broker has said."""
        return self._engine.lag(partition.number, position=partition.core.position)

    # --- duties ------------------------------------------------------------------------------------

    async def _rebuild(self, numbers: frozenset[int], wanted: Callable[[], bool]) -> None:
        rebuilt = []
        for number in numbers:
            self._engine.store.settle(number, wait=False)  # or the first who writes would have to wait for it
        for number in sorted(numbers):
            await self._settle_beginning(number)
            if not wanted():
                return
            await self._work.book.reach(self._activation(number))
            core, population = self._new_core(number, assigned=len(numbers)), Population()
            for scanned, (key, state) in enumerate(self._engine.store.scan(number), start=1):
                core.restore(key, state)
                population.restored(state)
                if scanned % REBUILD_CHUNK == 0:
                    await asyncio.sleep(0)
                    if not wanted():
                        return
            rebuilt.append((core, population))
            await asyncio.sleep(0)
        self._reached("rebuild")
        if wanted():
            self._owned = {core.number: self._own(core, population) for core, population in rebuilt}

    def _start(self) -> None:
        self._started = True
        self._metrics.assigned(interrupted_seconds=time.monotonic() - self._interrupted)
        self._ready(sorted(self._owned))

    def _take(self, delivery: Delivery) -> bool:
        partition = self._owned.get(delivery.partition)
        return partition is not None and partition.take(delivery)

    async def _release(self) -> None:
        if self._started:
            self._metrics.revoked()
            self._interrupted = time.monotonic()
        self._started = False
        owned, self._owned = self._owned, {}
        await asyncio.gather(*(partition.close() for partition in owned.values()))

    # --- making one ----------------------------------------------------------------------------------

    def _new_core(self, number: int, *, assigned: int) -> Partition:
        record, book = self._record(number), self._work.book
        if record is not None:
            self._check(number, record)
            self._resume(number, record)
        activation = self._activation(number)
        if activation != book.newest and self._work.clock == "carried":
            log.warning("partition %s keeps the flows that it began with, of activation %s", number, activation)
        return Partition(
            program=book.program_of(activation),
            programs=book.program,
            topic=self._work.topic,
            number=number,
            clock=self._work.clock,
            incarnation=self._work.incarnation,
            load=lambda key: self._engine.store.load(number, key),
            record=record,
            kept_profiles_max=KEPT_PROFILES_MAX // assigned,
            version=program_version(),
            state_version=self._work.state_version,
        )

    def _record(self, number: int) -> PartitionRecord | None:
        packed = self._engine.store.load(number, PARTITION_KEY)
        return None if packed is None else codec.unpack_partition(packed)

    async def _settle_beginning(self, number: int) -> None:
        """Write down with which activation a partition begins, and read what the first has written who did.

        So a second owner begins with the same, and so does one who makes state anew from the log.
        """
        work, book, among = self._work, self._work.book, self._beginning_with(number)
        if not self._begins(self._record(number)) or (work.clock == "carried" and book.newest == NOTHING):
            return
        if book.began(work.incarnation, among) is None:
            said = Beginning(incarnation=work.incarnation, partition=among, activation=book.newest)
            (batch,) = self._effects.pack([(BEGINNING_KEY + uuid.uuid4().hex.encode(), codec.encode(said))])
            await (await self._effects.send(self._destinations.definitions, 0, batch))
            await book.begun(work.incarnation, among)

    def _beginning_with(self, number: int) -> int:
        """On a carried clock, where flows do not change, all partitions begin as the first one does."""
        return 0 if self._work.clock == "carried" else number

    def _activation(self, number: int) -> int:
        """The number of the one in force; of a partition that begins, the one that it is to begin with."""
        record, work = self._record(number), self._work
        if record is not None and not self._begins(record):
            return record.activation or 0
        began = work.book.began(work.incarnation, self._beginning_with(number))
        return work.book.newest if began is None else began

    def _begins(self, record: PartitionRecord | None) -> bool:
        """Nobody has decided yet which flows a partition runs; on a carried clock, there were none to decide for."""
        if record is None or record.activation is None:
            return True
        return self._work.clock == "carried" and record.activation == NOTHING

    def _resume(self, number: int, record: PartitionRecord) -> None:
        if record.stopped is None:
            return
        if (number, record.stopped.offset) in self._work.resumed:
            log.warning("partition %s goes on at offset %s, as we were told", number, record.stopped.offset)
            record.stopped, record.poison = None, []
        else:
            log.error("%s", stop_of(number, record.stopped))

    def _own(self, core: Partition, population: Population) -> OwnedPartition:
        number, store = core.number, self._engine.store
        packed = store.load(number, PARTITION_KEY)
        unit = UnitOfWork(
            number=number,
            destinations=self._destinations,
            effects=self._effects,
            changelog_next=self._engine.changelog_end(number),
            stale=store.take_stale(number),
        )
        return OwnedPartition(
            core=core,
            unit=unit,
            population=population,
            claim=codec.encode({"instance": self._instance, "claimed_at": to_wire(self._clock_ms())}),
            epoch_before=0 if packed is None else codec.epoch_of(packed),
            begins=self._begins(self._record(number)),
            book=self._work.book,
            topic=self._work.topic,
            clock=self._work.clock,
            clock_ms=self._clock_ms,
            metrics=self._metrics,
            fail=self._fail,
        )

    def _check(self, number: int, record: PartitionRecord) -> None:
        """Raises Misconfigured when the state was made for another log."""
        work = self._work
        if (record.clock, record.incarnation) != (work.clock, work.incarnation):
            raise Misconfigured(
                f"partition {number}: its state belongs to the log {record.incarnation} with a {record.clock} clock,"
                f" and this is the log {work.incarnation} with a {work.clock} clock",
                next_step="the state topic and the profile log are made and removed together: restore the one that was"
                " replaced, or use another namespace",
            )
