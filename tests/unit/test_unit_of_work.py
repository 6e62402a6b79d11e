"""The writing of one partition: over a simulated log that has other writers, by a process that may die anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from agents.errors import Halted
from agents.worker.unit_of_work import CLAIMS_MAX, Destinations, Effects, Item, UnitOfWork
from schemas import codec
from schemas.codec import CLAIM_KEY, PARTITION_KEY
from schemas.profile import Profile

TO = Destinations(
    commands="commands",
    decisions="decisions",
    dead_letters="dead",
    dead_letter_partitions=3,
    raw="raw",
    state="state",
    definitions="definitions",
)
CLAIM = b'{"instance":"one"}'
#: Of states in these tests: the unit that wrote them.
PROFILES = 4


class Made(NamedTuple):
    """What a unit of work said, and the state after it."""

    commands: list[Item]
    decisions: list[Item]
    dead_letters: list[Item]
    states: list[tuple[bytes, bytes]]
    partition_record: bytes
    events: Sequence[Item] = ()


@dataclass(frozen=True)
class Appended:
    """An acknowledged batch."""

    base_offset: int
    count: int


class Died(Exception):
    """The process is gone."""


@dataclass
class World:
    """A log and a local store. `lives` counts down with everything that is done; at 0 the process dies."""

    lives: int = 10_000
    logs: dict[tuple[str, int], list[Item]] = field(default_factory=dict)
    points: list[str] = field(default_factory=list)
    stored: dict[bytes, bytes] = field(default_factory=dict)
    stored_through: int | None = None
    eager: bool = False  # what is sent is durable at once, and its acknowledgement comes later
    after_state_batch: list[Item] = field(default_factory=list)  # somebody else comes between, once
    mute: int = 0  # so many acknowledgements do not say where the batch stands

    def step(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise Died

    def pack(self, items: Sequence[Item]) -> list[list[Item]]:
        return [list(items[at : at + 2]) for at in range(0, len(items), 2)]

    async def send(self, topic: str, partition: int, batch: list[Item]) -> Awaitable[Appended]:
        self.step()
        return InFlight(self, self.append(topic, partition, batch) if self.eager else None, (topic, partition, batch))

    def append(self, topic: str, partition: int, batch: list[Item]) -> Appended:
        log = self.logs.setdefault((topic, partition), [])
        base = len(log)
        log += batch
        if topic == "state" and self.after_state_batch and batch[0][0] != CLAIM_KEY:
            log += self.after_state_batch
            self.after_state_batch = []
        if topic == "state" and self.mute:
            self.mute -= 1
            base = -1
        return Appended(base, len(batch))

    def load(self, _: int, key: bytes) -> bytes | None:
        return self.stored.get(key)

    def store(self, _: int, items: Iterable[tuple[bytes, bytes]], through: int | None) -> None:
        self.step()
        self.stored |= dict(items)
        self.stored_through = self.stored_through if through is None else through

    async def read_changelog(self, partition: int, first: int, end: int) -> list[tuple[bytes, bytes | None]]:
        self.step()
        return [(key or b"", value) for key, value in self.logs["state", partition][first:end]]

    def reached(self, point: str) -> None:
        self.points.append(point)

    def holds(self, topic: str) -> list[Item]:
        return [item for (name, _), log in self.logs.items() if name == topic for item in log]


@dataclass
class InFlight:
    """A batch that is durable already, or will be when somebody waits for it, unless the process dies first."""

    world: World
    appended: Appended | None
    batch: tuple[str, int, list[Item]]

    def __await__(self) -> Generator[None, None, Appended]:
        self.world.step()
        appended = self.appended or self.world.append(*self.batch)
        yield
        return appended


def unit(world: World, *, changelog_next: int = 0, stale: Sequence[bytes] = ()) -> UnitOfWork[list[Item]]:
    effects = Effects(
        pack=world.pack, pack_state=world.pack, pack_events=world.pack, send=world.send, load=world.load,
        store=world.store, read_changelog=world.read_changelog, reached=world.reached,
    )  # fmt: skip
    return UnitOfWork(number=7, destinations=TO, effects=effects, changelog_next=changelog_next, stale=stale)


def state(applied_offset: int) -> bytes:
    return codec.pack_profile(Profile(tenant="t", profile_id="p", applied_offset=applied_offset))


def made(number: int = 1) -> Made:
    return Made(
        commands=[(b"k", b"command %d %d" % (number, one)) for one in range(3)],
        decisions=[(b"k", b"decision %d" % number)],
        dead_letters=[(None, b"letter %d" % number)],
        events=[(b"k", b"event %d" % number)],
        states=[(b"p%d" % one, state(number)) for one in range(PROFILES)],
        partition_record=b"position %d" % number,
    )


async def claim_and_settle(work: UnitOfWork[list[Item]], *units: Made, epoch_before: int = 0) -> None:
    await work.claim(CLAIM, epoch_before=epoch_before)
    for one in units:
        for acknowledged in await work.produce(one):
            await acknowledged
        await work.settle(one)


def run(world: World, *units: Made) -> None:
    asyncio.run(claim_and_settle(unit(world), *units))


def test_everything_arrives_where_it_belongs() -> None:
    world = World()
    run(world, made())
    assert (world.holds("commands"), world.holds("raw")) == (made().commands, list(made().events))
    assert world.holds("decisions") == made().decisions
    assert [number for name, number in world.logs if name == "dead"] == [7 % 3]
    assert world.holds("state") == [(CLAIM_KEY, CLAIM), *made().states, (PARTITION_KEY, b"position 1")]
    assert world.stored == {**dict(made().states), PARTITION_KEY: b"position 1"}
    assert world.stored_through == 5


def test_the_named_points_come_in_order() -> None:
    world = World()
    run(world, made())
    assert world.points == ["claim_written", "between_state_batches", "state_acknowledged", "local_store_written"]


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("lives", range(44))
def test_dying_anywhere_leaves_no_state_without_its_partition_record_after_it(lives: int, eager: bool) -> None:
    world, first, second = World(lives=lives, eager=eager), made(1), made(2)
    try:
        run(world, first, second)
    except Died:
        assert lives < 43
    for batch in (first, second):
        states = [item for item in batch.states if item in world.holds("state")]
        if states:
            assert set(batch.commands) <= set(world.holds("commands"))
            assert set(batch.decisions) <= set(world.holds("decisions"))
            assert set(batch.dead_letters) <= set(world.holds("dead"))
        if (PARTITION_KEY, batch.partition_record) in world.holds("state"):
            assert states == batch.states
        if world.stored.get(PARTITION_KEY) == batch.partition_record:
            assert (PARTITION_KEY, batch.partition_record) in world.holds("state")


def test_a_snapshot_of_nothing_still_moves_the_position() -> None:
    world = World()
    run(world, Made([], [], [], [], b"position 9"))
    assert world.holds("state") == [(CLAIM_KEY, CLAIM), (PARTITION_KEY, b"position 9")]


class TestEpochs:
    """Where a claim stands says who came later."""

    def test_the_epoch_is_where_the_claim_stands(self) -> None:
        world = World(logs={("state", 7): [(b"p", state(1))] * 5})
        work = unit(world, changelog_next=5)
        asyncio.run(claim_and_settle(work))
        assert work.epoch == 5

    def test_a_changelog_that_began_anew_does_not_lower_it(self) -> None:
        world = World()
        work = unit(world)
        asyncio.run(claim_and_settle(work, epoch_before=70))
        assert work.epoch == 71

    def test_a_claim_whose_place_is_not_told_is_made_again(self) -> None:
        world = World(mute=2)
        work = unit(world)
        asyncio.run(claim_and_settle(work))
        assert work.epoch == 2
        with pytest.raises(Halted, match="where 5 claims were written"):
            run(World(mute=CLAIMS_MAX))


class TestOtherWriters:
    """Records in our changelog partition that are not ours."""

    def test_a_claim_younger_than_ours_stops_us_before_the_local_store_is_written(self) -> None:
        world = World()

        async def work() -> None:
            one = unit(world)
            await claim_and_settle(one, made(1))
            world.append("state", 7, [(CLAIM_KEY, b'{"instance":"two"}')])
            await one.settle(made(2))

        with pytest.raises(Halted, match="taken over by another worker"):
            asyncio.run(work())
        assert world.stored[PARTITION_KEY] == b"position 1"

    def test_a_claim_older_than_ours_does_not(self) -> None:
        """It was written between the end that recovery read to and our claim."""
        world = World(logs={("state", 7): [(CLAIM_KEY, b'{"instance":"two"}'), (b"p0", state(0))]})
        run(world, made(1))
        assert world.stored[PARTITION_KEY] == b"position 1"

    def test_older_states_that_came_later_are_written_again(self) -> None:
        world = World()

        async def work() -> UnitOfWork[list[Item]]:
            one = unit(world)
            await claim_and_settle(one, made(5))
            world.append("state", 7, [(b"p1", state(3)), (b"p2", state(9)), (PARTITION_KEY, b"position 3")])
            nothing = Made([], [], [], [], b"position 6")
            await one.settle(nothing)  # finds it
            await one.settle(nothing)
            return one

        one = asyncio.run(work())
        assert dict(world.holds("state"))[b"p1"] == state(5), "compaction keeps the last one"
        assert dict(world.holds("state"))[b"p2"] == state(9), "it is ahead of us, and right"
        assert world.stored[b"p2"] == state(5), "which our own work will find"
        assert (one.foreign_records, one.repaired) == (3, 1)

    def test_a_key_that_is_written_anyway_is_not_written_twice(self) -> None:
        world = World()

        async def work() -> UnitOfWork[list[Item]]:
            one = unit(world, stale=[b"p1"])
            await claim_and_settle(one, made(5))
            return one

        assert asyncio.run(work()).repaired == 0
        assert [key for key, _ in world.holds("state")].count(b"p1") == 1

    def test_what_recovery_found_stale_is_written_again(self) -> None:
        world = World(stored={b"q": state(4), b"p1": state(1)})
        asyncio.run(claim_and_settle(unit(world, stale=[b"q", b"gone"]), made(5)))
        assert dict(world.holds("state"))[b"q"] == state(4)

    def test_the_store_goes_on_once_what_was_found_is_repaired(self) -> None:
        """Whoever recovers before that must come upon it again."""
        world = World()

        async def work() -> None:
            one = unit(world)
            await claim_and_settle(one, made(1))
            world.append("state", 7, [(b"p1", state(0))])
            nothing = Made([], [], [], [], b"position 2")
            await one.settle(nothing)
            assert world.stored_through == 5, "as before"
            await one.settle(nothing)

        asyncio.run(work())
        assert world.stored_through == len(world.holds("state")) - 1

    def test_an_older_state_that_ours_follows_holds_nothing_up(self) -> None:
        world = World()

        async def work() -> None:
            one = unit(world)
            await claim_and_settle(one, made(1))
            world.append("state", 7, [(b"p1", state(0))])
            await one.settle(made(2))

        asyncio.run(work())
        assert world.stored_through == len(world.holds("state")) - 1

    def test_a_state_that_is_ahead_of_ours_holds_the_store_back_until_we_are_there(self) -> None:
        """Somebody else may recover it and pass over what led to it; then our store must not do without it."""
        world = World()

        async def work() -> None:
            one = unit(world)
            await claim_and_settle(one, made(1))
            world.append("state", 7, [(b"p1", state(3))])
            await one.settle(made(2))
            assert world.stored_through == 5
            await one.settle(Made([], [], [], [], b"position 2"))
            assert world.stored_through == 5
            await one.settle(made(3))

        asyncio.run(work())
        assert world.stored_through == len(world.holds("state")) - 1

    def test_an_older_state_between_our_own_batches_is_seen(self) -> None:
        """What is being written is not in the local store yet."""
        world = World()
        in_between: list[Item] = [(b"p0", state(4))]

        async def work() -> UnitOfWork[list[Item]]:
            one = unit(world)
            await claim_and_settle(one, made(3))
            world.after_state_batch = in_between
            await one.settle(made(5))
            await one.settle(Made([], [], [], [], b"position 6"))
            return one

        assert asyncio.run(work()).repaired == 1
        assert dict(world.holds("state"))[b"p0"] == state(5)

    def test_of_several_foreign_states_the_last_one_counts(self) -> None:
        world = World()

        async def work() -> UnitOfWork[list[Item]]:
            one = unit(world)
            await claim_and_settle(one, made(5))
            world.append("state", 7, [(b"p1", state(3)), (b"p1", state(5))])
            nothing = Made([], [], [], [], b"position 6")
            await one.settle(nothing)
            await one.settle(nothing)
            return one

        assert asyncio.run(work()).repaired == 0

    def test_the_store_claims_nothing_while_the_place_is_not_known(self) -> None:
        world = World()

        async def work() -> None:
            one = unit(world)
            await claim_and_settle(one, made(1))
            world.mute = 3
            await one.settle(made(2))
            assert world.stored_through == 5
            await one.settle(made(3))

        asyncio.run(work())
        assert world.stored[PARTITION_KEY] == b"position 3"
        assert world.stored_through == 15, "our own records in between were read and did no harm"
