"""The worker in small worlds where much goes wrong: nothing lost, doubled, early, or decided another way.

`make simulate SEEDS=10000`, or `make simulate SEEDS=1 SEED=7` for a certain one. The same seed is the same world, to
the microsecond.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count, filterfalse, islice
from pathlib import Path

import pytest

from agents.definitions.book import ORDER_KEY, Book
from schemas import codec
from schemas.control import ACTIVATION_KEY, TICK_KEY, Tick
from schemas.instants import to_wire
from streams.partition import Partition, Record
from tests.simulation import world as world_module
from tests.simulation.broken import CURES, DropsTimers
from tests.simulation.clockwork import REMAINS
from tests.simulation.misfortune import STORM_EVERY
from tests.simulation.test_cancel_race import BUYER, CHECKOUT, event
from tests.simulation.test_cancel_race import FLOW as BUYER_FLOW
from tests.simulation.traffic import read
from tests.simulation.verdict import replayed_from
from tests.simulation.worker import Parts
from tests.simulation.world import INCARNATION, World, changes, play

FIRST, COUNT = int(os.environ.get("SEED", "1")), int(os.environ.get("SEEDS") or 1_000)
BATCHES = (1, 7, 500, 5_000)
#: Of worlds in which flows change, and of others.
SOME = sorted([*islice(filter(changes, count(1)), 10), *islice(filterfalse(changes, count(1)), 10)])
ROOT = Path(__file__).parents[2]
START_MS = 1_772_323_200_000
#: Storms until a missing cure must have been noticed.
STORMS_MAX = 400

pytestmark = [*REMAINS]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_no_misfortune_changes_what_is_said(seed: int) -> None:
    verdict, world = play(seed)
    assert not verdict.faults, f"make simulate SEEDS=1 SEED={seed}: {verdict.faults} after {dict(world.ends)}"


def test_a_seed_replays_exactly() -> None:
    first = [play(seed)[1].broker.trace for seed in range(1, 9)]
    again = [play(seed)[1].broker.trace for seed in range(1, 9)]
    assert first == again
    assert len(set(first)) == 8


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_is_the_same_in_every_process(hash_seed: str) -> None:
    code = "from tests.simulation.world import play; print(*[play(seed)[1].broker.trace for seed in range(1, 9)])"
    command = [sys.executable, "-W", "ignore", "-c", code]
    environ = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True, text=True).stdout
    assert found.split() == [play(seed)[1].broker.trace for seed in range(1, 9)]


@pytest.mark.parametrize("seed", SOME)
def test_batches_of_any_size_say_the_same(seed: int) -> None:
    world = World(seed)
    world.run()
    topic = world.topics.profile_log
    for number in range(topic.partitions):
        log = world.broker.log(topic.name, number).records
        runs = [
            replayed_from(
                world.publisher.book(), log, topic=topic.name, number=number, incarnation=INCARNATION, batch=size
            )
            for size in BATCHES
        ]
        assert runs[0] == runs[1] == runs[2] == runs[3]


@pytest.mark.parametrize("seed", SOME)
def test_one_worker_and_three_say_the_same_of_one_log(seed: int) -> None:
    """Over the same recorded log, in fetched batches of any size, with all their misfortunes."""
    recorded = World(seed)
    recorded.run()
    said = []
    for workers, size in ((1, 1), (3, 7), (1, 500), (3, 5_000)):
        world = World(seed, recorded=recorded.broker, workers=workers, fetch_max=size)
        verdict = world.run()
        assert not verdict.faults
        said.append((verdict.commands, verdict.decisions))
    assert said[0] == said[1] == said[2] == said[3]


@pytest.mark.parametrize(("core", "commands"), [(Partition, 1), (DropsTimers, 0)])
def test_who_is_ahead_of_a_tick_keeps_the_timer(core: type[Partition], commands: int) -> None:
    """A tick that reaches beyond its own time, as when the broker falls back, and a crash between two states."""
    flow = read([BUYER_FLOW])
    checkout = event(BUYER, CHECKOUT, at_ms=START_MS)
    log = [
        Record(0, START_MS, TICK_KEY, codec.encode(Tick(through=to_wire(START_MS + 20_000)))),
        Record(1, START_MS, checkout.key, checkout.value),
        Record(2, START_MS + 30_000, TICK_KEY, codec.encode(Tick(through=to_wire(START_MS + 30_000)))),
    ]

    def life(states: dict[bytes, bytes]) -> Partition:
        one = core(
            program=flow.program, topic="log", number=0, clock="live", incarnation=INCARNATION, load=states.get,
            record=None,
        )  # fmt: skip
        for key, state in states.items():
            one.restore(key, state)
        return one

    first = life({})
    first.process(log[:2])
    second = life(dict(first.snapshot().states))
    assert len(second.process(log).commands) == commands


class BehindTheOrders(Book):
    """Has read what was published first, and nothing since."""

    is_behind = True

    def take(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        if not (self.is_behind and self.newest >= 0 and (key or b"").startswith((ORDER_KEY, b"flow/"))):
            super().take(offset, key, value)


@pytest.mark.parametrize("seed", range(1, 4))
def test_who_is_behind_an_activation_in_the_log_takes_nothing_beyond_it(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits; after half a minute it ends and says what is missing; and when it is there, nothing is lost."""
    monkeypatch.setattr(BehindTheOrders, "is_behind", True)
    monkeypatch.setattr(world_module, "CHANGING", 1.0)
    world = World(seed, parts=Parts(book=BehindTheOrders))
    place: dict[int, int] = {}

    def repeat() -> None:
        book = world.publisher.book()
        said = codec.encode(book.activation(book.newest))
        for number in range(world.topics.profile_log.partitions):
            place[number] = world.broker.append(world.topics.profile_log.name, number, [(ACTIVATION_KEY, said)])[0]

    def catch_up() -> None:
        owned = [one for slot in world.slots if slot.worker is not None for one in slot.worker.owned()]
        assert all(one.position <= place[one.number] for one in owned)
        monkeypatch.setattr(BehindTheOrders, "is_behind", False)

    world.loop.later(60, repeat)
    world.loop.later(150, catch_up)
    verdict = world.run()
    assert not verdict.faults
    assert any("the definitions end at offset" in end for end in world.ends)


@pytest.mark.parametrize("missing", CURES)
def test_the_test_bites(missing: str) -> None:
    """Without one of the cures, some storm brings out what it is for. Letters in brackets are holes of Faust."""
    parts, fault = CURES[missing]
    for storm in range(STORM_EVERY, STORM_EVERY * STORMS_MAX, STORM_EVERY):
        verdict, _ = play(storm, parts=parts)
        if any(fault in found and not found.startswith("a process") for found in verdict.faults):
            return
    pytest.fail(f"{STORMS_MAX} storms, and nobody noticed that {missing}")
