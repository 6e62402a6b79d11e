"""One unit of work: what the core made of a fetched batch becomes durable, in the one order that is safe.

    1. every output is produced, and every output is acknowledged
    2. states are produced; the batch with the partition record leaves when all others are acknowledged
    3. that batch is acknowledged
    4. the same bytes, and how far the changelog is known, go to the local store in one write

Dying anywhere replays the batch from the last position, to the same outputs under the same ids. Were state durable
before outputs, a death in between would lose them; were the partition record durable before a state, that state.

Nothing here knows Faust, Kafka or a clock: it drives plain callables, and so can be driven over a simulated log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from schemas.codec import PARTITION_KEY

Item = tuple[bytes | None, bytes]
Batch = TypeVar("Batch")


class Written(Protocol):
    """What is known of an acknowledged batch."""

    @property
    def base_offset(self) -> int:
        """Offset of its first record, negative if it is not known."""
        ...

    @property
    def count(self) -> int:
        """How many records it has."""
        ...


class Outputs(Protocol):
    """What a unit of work makes durable: the part of `streams.partition.Outputs` that is bytes."""

    @property
    def commands(self) -> Sequence[Item]: ...
    @property
    def decisions(self) -> Sequence[Item]: ...
    @property
    def dead_letters(self) -> Sequence[Item]: ...


class Snapshot(Protocol):
    """The state that goes with them."""

    @property
    def states(self) -> Sequence[tuple[bytes, bytes]]: ...
    @property
    def partition_record(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects(Generic[Batch]):
    """What a unit of work may do to the world."""

    pack: Callable[[Sequence[Item]], Sequence[Batch]]
    pack_state: Callable[[Sequence[Item]], Sequence[Batch]]
    send: Callable[[str, int, Batch], Awaitable[Awaitable[Written]]]
    """Hand over a batch; the inner awaitable ends when it is acknowledged. A partition keeps its batches in order."""
    store: Callable[[int, Iterable[tuple[bytes, bytes]], int | None], None]
    """Write to the local store of a partition, with the changelog offset up to which it is complete."""
    reached: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Names of the topics, and the partitions of the one that has its own count."""

    commands: str
    decisions: str
    dead_letters: str
    dead_letter_partitions: int
    state: str


class Changelog:
    """How far the local store of one partition holds its changelog.

    It must never claim a record that this process has not read. So when an acknowledged batch does not begin where the
    last one ended, somebody else has written, and from then on nothing is claimed: the next recovery reads on from the
    last offset that was.
    """

    def __init__(self, *, next_offset: int) -> None:
        """`next_offset` follows the last record that recovery read."""
        self._next = next_offset
        self._gapless = True

    def wrote(self, written: Written) -> int | None:
        """A batch of ours was acknowledged, in the order of sending: the last offset now held, None if unknown."""
        self._gapless = self._gapless and written.base_offset == self._next
        self._next = written.base_offset + written.count
        return self._next - 1 if self._gapless else None


class UnitOfWork(Generic[Batch]):
    """Makes the outputs of one partition durable, one unit after the other."""

    def __init__(
        self, *, number: int, destinations: Destinations, effects: Effects[Batch], changelog: Changelog
    ) -> None:
        self._number, self._to, self._do, self._changelog = number, destinations, effects, changelog

    async def settle(self, outputs: Outputs, snapshot: Snapshot) -> None:
        """Return when everything is acknowledged and in the local store. Whatever is raised must end the process."""
        await self._produce_outputs(outputs)
        states = [*snapshot.states, (PARTITION_KEY, snapshot.partition_record)]
        held = await self._produce_states(states)
        self._do.reached("state_acknowledged")
        self._do.store(self._number, states, held)
        self._do.reached("local_store_written")

    async def _produce_outputs(self, outputs: Outputs) -> None:
        to, number = self._to, self._number
        pending = [
            await self._do.send(topic, partition, batch)
            for topic, partition, items in (
                (to.commands, number, outputs.commands),
                (to.decisions, number, outputs.decisions),
                (to.dead_letters, number % to.dead_letter_partitions, outputs.dead_letters),
            )
            for batch in self._do.pack(items)
        ]
        if pending:
            self._do.reached("outputs_produced")
            for acknowledged in pending:
                await acknowledged
            self._do.reached("outputs_acknowledged")

    async def _produce_states(self, states: Sequence[tuple[bytes, bytes]]) -> int | None:
        *others, last = self._do.pack_state(states)
        pending = [await self._do.send(self._to.state, self._number, batch) for batch in others]
        for acknowledged in pending:
            self._changelog.wrote(await acknowledged)
        if others:
            self._do.reached("between_state_batches")
        return self._changelog.wrote(await (await self._do.send(self._to.state, self._number, last)))
