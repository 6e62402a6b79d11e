"""How the work of one partition becomes durable, in the one order that is safe.

    0. whoever takes a partition over claims it: a record of its own in the changelog
    1. every output of a unit of work is produced, and acknowledged; several units may be under way
    2. states are produced, once per several units; the batch with the partition record leaves when all others are
       acknowledged
    3. that batch is acknowledged
    4. the same bytes, and how far the changelog is known, go to the local store in one write

Dying anywhere replays from the last position, to the same outputs under the same ids. Were state durable before
outputs, a death in between would lose them; were the partition record durable before a state, that state.

A changelog partition has one writer. When an acknowledged batch does not begin where the last one ended, there was
another: records after a claim younger than ours mean that we have been replaced, and we stop; records without one come
from an owner before us that has not noticed, and where they are older than ours, ours are written again, or compaction
would keep the wrong ones.

Nothing here knows Faust, Kafka or a clock: it drives plain callables, and so can be driven over a simulated log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from agents.errors import Halted
from schemas import codec
from schemas.codec import CLAIM_KEY, PARTITION_KEY
from schemas.topics import Topics

Item = tuple[bytes | None, bytes]
Batch = TypeVar("Batch")
Rank = tuple[int, int]  # see `codec.rank`

#: A claim whose offset the broker does not tell is made again; so often.
CLAIMS_MAX = 5
#: Of the raw topic: the one that a carried clock has. Flows report few events beside those of connectors.
RAW_PARTITION = 0


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
    """What one unit of work says: the part of `streams.partition.Outputs` that is bytes."""

    @property
    def commands(self) -> Sequence[Item]: ...
    @property
    def decisions(self) -> Sequence[Item]: ...
    @property
    def dead_letters(self) -> Sequence[Item]: ...
    @property
    def events(self) -> Sequence[Item]: ...


class Snapshot(Protocol):
    """What several units of work have made of the state: the part of `streams.partition.Snapshot` that is bytes."""

    @property
    def states(self) -> Sequence[tuple[bytes, bytes]]: ...
    @property
    def partition_record(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects(Generic[Batch]):
    """What the work of a partition may do to the world."""

    pack: Callable[[Sequence[Item]], Sequence[Batch]]
    pack_state: Callable[[Sequence[Item]], Sequence[Batch]]
    pack_events: Callable[[Sequence[Item]], Sequence[Batch]]
    """For intake, which wants to be told the time of each on a carried clock."""
    send: Callable[[str, int, Batch], Awaitable[Awaitable[Written]]]
    """Hand over a batch; the inner awaitable ends when it is acknowledged. A partition keeps its batches in order."""
    load: Callable[[int, bytes], bytes | None]
    """Read the local store of a partition."""
    store: Callable[[int, Iterable[tuple[bytes, bytes]], int | None], None]
    """Write to the local store of a partition, with the changelog offset up to which it is complete."""
    read_changelog: Callable[[int, int, int], Awaitable[Sequence[tuple[bytes, bytes | None]]]]
    """The records of a changelog partition from an offset on, below another one."""
    reached: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Names of the topics, and the partitions of the one that has its own count."""

    commands: str
    decisions: str
    dead_letters: str
    dead_letter_partitions: int
    raw: str
    state: str
    definitions: str

    @classmethod
    def of(cls, topics: Topics) -> Destinations:
        """Those of a namespace."""
        return cls(
            commands=topics.commands.name,
            decisions=topics.decisions.name,
            dead_letters=topics.dead_letters.name,
            dead_letter_partitions=topics.dead_letters.partitions,
            raw=topics.raw.name,
            state=topics.profile_state.name,
            definitions=topics.definitions.name,
        )


class UnitOfWork(Generic[Batch]):
    """Makes the work of one partition durable. `epoch` is 0 before the claim."""

    def __init__(
        self,
        *,
        number: int,
        destinations: Destinations,
        effects: Effects[Batch],
        changelog_next: int,
        stale: Iterable[bytes] = (),
    ) -> None:
        """`changelog_next` follows the last record that recovery has read; the last record of a key in `stale` is older
        than its state.
        """
        self._number, self._to, self._do = number, destinations, effects
        self._next = changelog_next
        self._next_is_known = True
        self.reached = effects.reached
        self._stale = dict.fromkeys(stale)
        self._ahead: dict[bytes, Rank] = {}  # rank of a foreign state that ours has not reached yet
        self._states: Sequence[tuple[bytes, bytes]] = ()  # being written, in this order
        self._states_written = 0
        self.epoch = 0
        self.foreign_records = 0
        """Records in our changelog partition that another worker has written since we own it."""
        self.repaired = 0
        """States written again because of them."""

    async def claim(self, words: bytes, *, epoch_before: int) -> None:
        """Take the partition over: from here on, whoever claimed it before finds out, at its next write.

        The offset of the claim is the epoch, unless the epoch before was higher. Raises Halted if the broker does not
        say where the claim stands.
        """
        (batch,) = self._do.pack_state([(CLAIM_KEY, words)])
        for _ in range(CLAIMS_MAX):
            written = await (await self._do.send(self._to.state, self._number, batch))
            if written.base_offset >= 0:
                await self._was_written(written, claims_before_are_fine=True)
                self.epoch = max(written.base_offset, epoch_before + 1)
                self._do.reached("claim_written")
                return
            (batch,) = self._do.pack_state([(CLAIM_KEY, words)])
        raise Halted(
            f"partition {self._number}: the broker did not say where {CLAIMS_MAX} claims were written",
            next_step="see whether the broker is healthy, then start the worker again",
        )

    async def produce(self, outputs: Outputs) -> Sequence[Awaitable[Written]]:
        """Hand the outputs of one unit over, in the order of calls; each result is there when its batch is written."""
        to, number, do = self._to, self._number, self._do
        return [
            await do.send(topic, partition, batch)
            for topic, partition, items, pack in (
                (to.commands, number, outputs.commands, do.pack),
                (to.decisions, number, outputs.decisions, do.pack),
                (to.dead_letters, number % to.dead_letter_partitions, outputs.dead_letters, do.pack),
                (to.raw, RAW_PARTITION, outputs.events, do.pack_events),
            )
            for batch in pack(items)
        ]

    async def settle(self, snapshot: Snapshot) -> None:
        """Return when the state is acknowledged and in the local store. Whatever is raised must end the process.

        Every output of the units that the snapshot covers must be acknowledged, and the snapshot before be settled.
        """
        fresh = dict(snapshot.states)
        repairs = self._repairs(fresh)
        states = [*snapshot.states, *repairs.items(), (PARTITION_KEY, snapshot.partition_record)]
        await self._produce_states(states)
        self._do.reached("state_acknowledged")
        self.repaired += len(repairs)
        self._ahead = {
            key: rank for key, rank in self._ahead.items() if key not in fresh or codec.rank(key, fresh[key]) < rank
        }
        # While a foreign state is not repaired, or is ahead of ours, whoever recovers must come upon it again.
        whole = self._next_is_known and not self._stale and not self._ahead
        self._do.store(self._number, states, self._next - 1 if whole else None)
        self._do.reached("local_store_written")

    async def _produce_states(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        self._states, self._states_written = states, 0
        *others, last = self._do.pack_state(states)
        pending = [await self._do.send(self._to.state, self._number, batch) for batch in others]
        for acknowledged in pending:
            await self._was_written(await acknowledged)
        if others:
            self._do.reached("between_state_batches")
        await self._was_written(await (await self._do.send(self._to.state, self._number, last)))

    # --- other writers ---------------------------------------------------------------------------------

    async def _was_written(self, written: Written, *, claims_before_are_fine: bool = False) -> None:
        """A batch of ours stands in the changelog, in the order of sending: look at what stands before it.

        After one whose place is not known, the batch itself is among what is looked at, and does no harm there.
        """
        if written.base_offset < 0:
            self._next_is_known = False
            self._states_written += written.count
            return
        if written.base_offset > self._next:
            foreign = await self._do.read_changelog(self._number, self._next, written.base_offset)
            self._judge(foreign, claims_are_fine=claims_before_are_fine)
        self._next, self._next_is_known = written.base_offset + written.count, True
        self._states_written += written.count

    def _judge(self, foreign: Sequence[tuple[bytes, bytes | None]], *, claims_are_fine: bool) -> None:
        """Foreign records stand before the batch that was acknowledged last, and behind those before it."""
        self.foreign_records += len(foreign)
        behind, before = dict(self._states[self._states_written :]), dict(self._states[: self._states_written])
        for key, value in foreign:
            if key == CLAIM_KEY and not claims_are_fine:
                raise Halted(
                    f"partition {self._number} has been taken over by another worker: {(value or b'').decode()}",
                    next_step="nothing is lost; this worker had lost the partition without noticing: start it again",
                )
            if key[:1] != b"\x00":
                ours = behind.get(key) or before.get(key) or self._do.load(self._number, key)
                self._judge_state(key, theirs=_rank(key, value), ours=_rank(key, ours), ours_follows=key in behind)

    def _judge_state(self, key: bytes, *, theirs: Rank, ours: Rank, ours_follows: bool) -> None:
        """Of several under one key the last one counts: it is the one that compaction would keep."""
        self._stale.pop(key, None)
        if theirs > ours:
            self._ahead[key] = max(theirs, self._ahead.get(key, theirs))
        elif theirs < ours and not ours_follows:
            self._stale[key] = None

    def _repairs(self, fresh: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """What must be written again; a key that is written anyway is repaired by that. A state that is not there any
        more cannot be.
        """
        states = {key: self._do.load(self._number, key) for key in self._stale if key not in fresh}
        self._stale = {}
        return {key: state for key, state in states.items() if state is not None}


def _rank(key: bytes, value: bytes | None) -> Rank:
    return (0, -1) if value is None else codec.rank(key, value)
