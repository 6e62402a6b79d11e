"""The worker with one of its cures taken out: what each of them is for is shown by what happens without it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from agents.definitions.book import ORDER_KEY, Book
from agents.faust_engine import Written
from agents.worker.marks import Marks
from agents.worker.owned_partition import OwnedPartition
from agents.worker.partitions import Partitions
from agents.worker.population import Population
from agents.worker.unit_of_work import UnitOfWork
from schemas import codec
from schemas.activation import Order
from streams.partition import Partition
from tests.simulation.disk import OFFSET_KEY, Batch, Store
from tests.simulation.faust_side import SimulatedConsumer
from tests.simulation.ledger import Ledger
from tests.simulation.producing import Producer, Sent
from tests.simulation.worker import Parts


class _AcknowledgesAtOnce(OwnedPartition):
    def take(self, delivery: Any) -> bool:
        taken = super().take(delivery)
        delivery.done()
        return taken


class PositionOfTheGroup(Partitions):
    """Reads on from where the group has committed, which is over what is in flight."""

    def _own(self, core: Partition, population: Population, **how: Any) -> OwnedPartition:
        one = super()._own(core, population, **how)
        one.__class__ = _AcknowledgesAtOnce
        return one

    def _new_core(self, number: int, **how: Any) -> Partition:
        core = super()._new_core(number, **how)
        committed: Mapping[int, int] = self._engine._app.consumer.coordinator.committed  # type: ignore[attr-defined]
        core.position = committed.get(number, 0)
        return core


class PositionOfTheStates(Partitions):
    """Takes the latest record that some profile has seen for the one that all have seen."""

    def _new_core(self, number: int, **how: Any) -> Partition:
        core = super()._new_core(number, **how)
        seen = [codec.peek(state)[0] for _, state in self._engine.store.scan(number)]
        core.position = max([core.position, *(offset + 1 for offset in seen)])
        return core


class _WritesStatesAtOnce(OwnedPartition):
    """Does not wait for the outputs of a unit before it writes its states."""

    async def _write_state(self) -> None:
        self._saying = deque()
        await super()._write_state()


class _WritesTheRecordFirst(UnitOfWork[Any]):
    async def _produce_states(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        *others, record = states
        await super()._produce_states([record])
        if others:
            await super()._produce_states(others)


class _WritesTheStoreFirst(UnitOfWork[Any]):
    async def settle(self, snapshot: Any) -> None:
        self._do.store(self._number, [*snapshot.states, (codec.PARTITION_KEY, snapshot.partition_record)], None)
        await super().settle(snapshot)


class _LeavesOldStates(UnitOfWork[Any]):
    def _repairs(self, fresh: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        return {}


class _PassesOverWhoIsAhead(UnitOfWork[Any]):
    """Says that its store knows the changelog, though a state there is ahead of the one in the store."""

    def _judge_state(self, key: bytes, *, theirs: Any, ours: Any, ours_follows: bool) -> None:
        super()._judge_state(key, theirs=theirs, ours=ours, ours_follows=ours_follows)
        self._ahead.clear()


class _LooksIntoTheStoreOnly(UnitOfWork[Any]):
    """Compares foreign states with those in the store, and not with those that it is about to write."""

    def _judge(self, foreign: Sequence[Any], *, claims_are_fine: bool) -> None:
        being_written, self._states = self._states, ()
        super()._judge(foreign, claims_are_fine=claims_are_fine)
        self._states = being_written


def _with_unit(unit: type[UnitOfWork[Any]]) -> type[Partitions]:
    class WithUnit(Partitions):
        def _own(self, core: Partition, population: Population, **how: Any) -> OwnedPartition:
            one = super()._own(core, population, **how)
            one.unit.__class__ = unit
            return one

    return WithUnit


class DropsTimers(Partition):
    """Forgets the timer of a profile that is ahead of the tick."""

    def _wake(self, key: bytes, record: Any, **how: Any) -> bool:
        super()._wake(key, record, **how)
        return True


class _AppliesAgain(Partition):
    def _process_event(self, record: Any) -> None:
        if b"/" in record.key:
            profile = self._profiles.of(record.key)
            profile.applied_offset = min(profile.applied_offset, record.offset - 1)
        super()._process_event(record)

    def _is_ahead(self, key: bytes, profile: Any, offset: int) -> bool:
        return False


class _HoldsNobody(Partition):
    def _hold(self, key: bytes, profile: Any, offset: int, what: Any) -> None:
        """Whoever has a record that could not be taken gets messages all the same."""


class _PinsNobody(Partition):
    """Whoever is in a flow goes on in the version that an activation has made the newest."""

    def _process_activation(self, activation: Any, *, offset: int) -> None:
        super()._process_activation(activation, offset=offset)
        newest = {(name, flow.version): flow for name, flow in self.program.flows.items()}
        self.program = replace(self.program, versions=newest)


class _HearsNoReceipts(Partition):
    """Room that a message has taken is never given back."""

    def _process_event(self, record: Any) -> None:
        if b'"message.reported.v1"' not in record.value:
            super()._process_event(record)


class _LetsPeopleBack(Partition):
    """A flow that is resumed goes on with those who were in it when it was stopped."""

    def _process_activation(self, activation: Any, *, offset: int) -> None:
        super()._process_activation(activation, offset=offset)
        self.program = replace(self.program, over_before={}, stopped_once={})


class _WakesTheHeld(Partition):
    """Timers of held flows fire."""

    def _process_activation(self, activation: Any, *, offset: int) -> None:
        super()._process_activation(activation, offset=offset)
        versions = {
            version: structs.replace(flow, status="live") if flow.status == "held" else flow
            for version, flow in self.program.versions.items()
        }
        self.program = replace(self.program, versions=versions, held=frozenset())
        self._schedule.switch(self.program)


class KeepsWhatIsGone(Partitions):
    """Looks after the timers of all partitions that it ever had, as whoever goes over all of a Faust table."""

    def started(self) -> Collection[OwnedPartition]:
        """Also those that were revoked."""
        self.__dict__.setdefault("all", {}).update((one.number, one) for one in super().started())
        return tuple(self.__dict__["all"].values())

    def lag(self, partition: OwnedPartition) -> int | None:
        """The client would say nothing of what is gone."""
        return super().lag(partition) or 0


class BeginsWithTheNewest(Partitions):
    """Whoever takes a partition over goes on with the newest activation that is known, be it in the log or not."""

    def _activation(self, number: int) -> int:
        return self._work.book.newest


class BeginsAnewWithTheNewest(Partitions):
    """Who makes state anew from the log does not ask what the partition began with."""

    async def _settle_beginning(self, number: int) -> None:
        await super()._settle_beginning(number)
        self._work.book._began[self._work.incarnation, number] = self._work.book.newest


class TakesEveryOrder(Book):
    """Also one that was made from an activation which is not the newest any more."""

    def take(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """As if it followed."""
        if key is not None and key.startswith(ORDER_KEY):
            order = structs.replace(codec.decode(value or b"", Order), follows=self.newest)
            value = codec.encode(order)
        super().take(offset, key, value)


class KeepsTheStop(Partitions):
    """Whoever is told to go on stops again at the next bad record."""

    def _resume(self, number: int, record: Any) -> None:
        strikes = record.poison
        super()._resume(number, record)
        record.poison = strikes


def _with_core(kind: type[Partition]) -> type[Partitions]:
    class WithCore(Partitions):
        def _new_core(self, number: int, **how: Any) -> Partition:
            core = super()._new_core(number, **how)
            core.__class__ = kind
            return core

    return WithCore


class _TakesWhatComes(OwnedPartition):
    def take(self, delivery: Any) -> bool:
        self._next_offset = delivery.records[0].offset
        return super().take(delivery)


class _SkipsWhatFails(OwnedPartition):
    def _work_off(self, delivery: Any) -> None:
        if self.core.position % 13 == 5:
            self.core.position = delivery.records[-1].offset + 1
            delivery.done()
        else:
            super()._work_off(delivery)


def _with_owned(kind: type[OwnedPartition]) -> type[Partitions]:
    class WithOwned(Partitions):
        def _own(self, core: Partition, population: Population, **how: Any) -> OwnedPartition:
            one = super()._own(core, population, **how)
            one.__class__ = kind
            return one

    return WithOwned


class GivesNothingBack(SimulatedConsumer):
    """Leaves the client's position where it is, and takes what comes."""

    async def _give_back(self, tp: Any, expected: int) -> None:
        """What was fetched and not taken is gone."""

    async def _heal(self, tp: Any, expected: int, *, found: int) -> None:
        self._engine_app.expectations.seek({tp: found})
        await super().seek_wait({tp: found})


class SeesNoHole(SimulatedConsumer):
    """Recovers what is there."""

    async def check_changelog(self, *partitions: Any) -> None:
        """Nothing is ever missing."""


class TakesEveryRecord(Ledger):
    """Knows records by their place."""

    def identity(self, partition: int, record: Any) -> object:
        """As Kafka has it."""
        return partition, record.offset


class SurvivesFailures(Producer):
    """Takes a batch that was not written for one that was, and says so in the log."""

    def _write(self, topic: str, partition: int, sent: Sent) -> None:
        if self._dice.random() < 0.05:
            self._life.later(0.01, self._acknowledged, topic, partition, sent, Written(-1, len(sent.items), -1))
        else:
            super()._write(topic, partition, sent)


class LastOneWins(Store):
    """Recovers per key what stands last in the changelog."""

    def restore(self, partition: int, records: Sequence[Any]) -> None:
        """Without a look at what is known already."""
        batch = Batch()
        for record in records:
            if record.key != codec.CLAIM_KEY:
                batch.put(record.key, record.value)
        batch.put(OFFSET_KEY, b"%d" % records[-1].offset)
        self._disk.database(partition).write(batch)


class NeverSettles(Store):
    """Writes to the log of its database what comes after a recovery, and never to a table what the recovery wrote."""

    def settle(self, partition: int, *, wait: bool = True) -> None:
        """Trusts that it is there."""
        if wait:
            self._unsettled.pop(partition, None)


class BelievesMarks(Store):
    """Takes no key for known that it has not marked, though its database was not empty."""

    def _held(self, partition: int, records: Sequence[Any]) -> dict[bytes, bytes | None]:
        self._unsettled.setdefault(partition, bytearray(1 << 16))
        return super()._held(partition, records)


class ForgetsOldStates(Store):
    """Does not tell the owner what has to be written again."""

    def take_stale(self, partition: int) -> list[bytes]:
        """Nothing."""
        super().take_stale(partition)
        return []


class NoMarks(Marks):
    """Lets timers go as far as the owner's clock."""

    def low_water_at(self) -> int:
        """Everything is always forwarded."""
        return 1 << 60


#: What is taken out, and a word of the fault that must be found. The letters are those of Faust's holes.
CURES: dict[str, tuple[Parts, str]] = {
    "the position is that of the group (A)": (Parts(partitions=PositionOfTheGroup), " in "),
    "the position does not live with the state": (Parts(partitions=PositionOfTheStates), " in "),
    "a batch that was not written is taken for one that was (C)": (Parts(producer=SurvivesFailures), "missing"),
    "the batch that a unit of work failed on is acknowledged (D)": (
        Parts(partitions=_with_owned(_SkipsWhatFails)),
        "missing",
    ),
    "timers of partitions that are gone go on (E)": (Parts(partitions=KeepsWhatIsGone), "not assigned"),
    "records are applied again to who has seen them (G)": (Parts(partitions=_with_core(_AppliesAgain)), " in "),
    "nobody is held by a record that could not be taken": (Parts(partitions=_with_core(_HoldsNobody)), " in "),
    "a stop is over and its strikes are not": (Parts(partitions=KeepsTheStop), "partition record"),
    "an activation is applied to people who are in a flow": (
        Parts(partitions=_with_core(_PinsNobody)),
        "by the oracle",
    ),
    "receipts are not heard": (Parts(partitions=_with_core(_HearsNoReceipts)), "by the oracle"),
    "a flow comes back with those whom a stop has ended": (
        Parts(partitions=_with_core(_LetsPeopleBack)),
        "by the oracle",
    ),
    "a held flow is woken": (Parts(partitions=_with_core(_WakesTheHeld)), "by the oracle"),
    "an activation holds before its place after a recovery": (Parts(partitions=BeginsWithTheNewest), "by the oracle"),
    "state is made anew with other flows than those of the beginning": (
        Parts(partitions=BeginsAnewWithTheNewest),
        "by the oracle",
    ),
    "an order that came too late is followed": (Parts(book=TakesEveryOrder), "void activation"),
    "what was fetched too early is not given back (I)": (
        Parts(consumer=GivesNothingBack, partitions=_with_owned(_TakesWhatComes)),
        "missing",
    ),
    "states are written before outputs": (Parts(partitions=_with_owned(_WritesStatesAtOnce)), "missing"),
    "the partition record is written first": (Parts(partitions=_with_unit(_WritesTheRecordFirst)), " in "),
    "the local store is written first": (Parts(partitions=_with_unit(_WritesTheStoreFirst)), "state"),
    "timers wait for no mark": (Parts(marks=NoMarks), "overtakes"),
    "states of an older owner are left standing": (
        Parts(partitions=_with_unit(_LeavesOldStates), store=ForgetsOldStates),
        "older state",
    ),
    "the store passes over foreign states that are ahead of ours": (
        Parts(partitions=_with_unit(_PassesOverWhoIsAhead)),
        " in ",
    ),
    "older states between our own batches are not seen": (
        Parts(partitions=_with_unit(_LooksIntoTheStoreOnly)),
        "older state",
    ),
    "a changelog that was cut is taken for a whole one": (Parts(consumer=SeesNoHole), " in "),
    "the ledger takes every record": (Parts(ledger=TakesEveryRecord), "carried out twice"),
    "the last record of a key is recovered": (Parts(store=LastOneWins), " in "),
    "what a recovery wrote reaches no table before the log is used": (Parts(store=NeverSettles), " in "),
    "a store that held something is taken for an empty one": (Parts(store=BelievesMarks), " in "),
}
