"""A unit of work over a simulated log that may die between any two things it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from agents.worker.unit_of_work import Changelog, Destinations, Effects, Item, UnitOfWork
from schemas.codec import PARTITION_KEY

TO = Destinations(
    commands="commands", decisions="decisions", dead_letters="dead", dead_letter_partitions=3, state="state"
)


class Made(NamedTuple):
    """What the core made of a batch."""

    commands: list[Item]
    decisions: list[Item]
    dead_letters: list[Item]
    states: list[tuple[bytes, bytes]]
    partition_record: bytes


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
    durable: list[tuple[str, int, Item]] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    stored: dict[bytes, bytes] = field(default_factory=dict)
    stored_through: int | None = None
    foreign_before: int = 0
    eager: bool = False  # what is sent is durable at once, and its acknowledgement comes later

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
        end = sum((name, number) == (topic, partition) for name, number, _ in self.durable)
        self.durable += [(topic, partition, item) for item in batch]
        return Appended(end + self.foreign_before, len(batch))

    def store(self, _: int, items: Iterable[tuple[bytes, bytes]], through: int | None) -> None:
        self.step()
        self.stored |= dict(items)
        self.stored_through = self.stored_through if through is None else through

    def reached(self, point: str) -> None:
        self.points.append(point)

    def holds(self, topic: str) -> list[Item]:
        return [item for name, _, item in self.durable if name == topic]


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


def unit(world: World, *, next_offset: int = 0) -> UnitOfWork[list[Item]]:
    effects = Effects(pack=world.pack, pack_state=world.pack, send=world.send, store=world.store, reached=world.reached)
    return UnitOfWork(number=7, destinations=TO, effects=effects, changelog=Changelog(next_offset=next_offset))


def made(number: int = 1) -> Made:
    return Made(
        commands=[(b"k", b"command %d %d" % (number, one)) for one in range(3)],
        decisions=[(b"k", b"decision %d" % number)],
        dead_letters=[(None, b"letter %d" % number)],
        states=[(b"p%d" % one, b"state %d" % number) for one in range(4)],
        partition_record=b"position %d" % number,
    )


def settle(world: World, *batches: Made) -> None:
    async def all_of_them() -> None:
        work = unit(world)
        for one in batches:
            await work.settle(one, one)

    asyncio.run(all_of_them())


def test_everything_arrives_where_it_belongs() -> None:
    world = World()
    settle(world, made())
    assert world.holds("commands") == made().commands
    assert world.holds("decisions") == made().decisions
    assert [(name, number) for name, number, _ in world.durable if name == "dead"] == [("dead", 7 % 3)]
    assert world.holds("state") == [*made().states, (PARTITION_KEY, b"position 1")]
    assert world.stored == {**dict(made().states), PARTITION_KEY: b"position 1"}
    assert world.stored_through == 4


def test_the_named_points_come_in_order() -> None:
    world = World()
    settle(world, made())
    assert world.points == [
        "outputs_produced",
        "outputs_acknowledged",
        "between_state_batches",
        "state_acknowledged",
        "local_store_written",
    ]


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("lives", range(40))
def test_dying_anywhere_leaves_no_state_without_its_outputs(lives: int, eager: bool) -> None:
    world, first, second = World(lives=lives, eager=eager), made(1), made(2)
    try:
        settle(world, first, second)
    except Died:
        assert lives < 39
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


def test_a_batch_of_nothing_still_moves_the_position() -> None:
    world = World()
    settle(world, Made([], [], [], [], b"position 9"))
    assert world.holds("state") == [(PARTITION_KEY, b"position 9")]
    assert world.points == ["state_acknowledged", "local_store_written"]


def test_the_store_claims_nothing_that_somebody_else_wrote() -> None:
    world = World()

    async def work() -> None:
        one = unit(world)
        await one.settle(made(1), made(1))
        world.foreign_before = 1
        await one.settle(made(2), made(2))
        await one.settle(made(3), made(3))

    asyncio.run(work())
    assert world.stored[PARTITION_KEY] == b"position 3"
    assert world.stored_through == 4, "as after the first unit: what follows has a gap before it"


def test_the_store_claims_nothing_when_the_offset_is_not_known() -> None:
    changelog = Changelog(next_offset=10)
    assert changelog.wrote(Appended(10, 5)) == 14
    assert changelog.wrote(Appended(-1, 5)) is None
    assert changelog.wrote(Appended(20, 5)) is None
