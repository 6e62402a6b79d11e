"""What goes wrong in a world, how often, and how it comes to an end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from agents.kill_points import WORKER_POINTS
from schemas.limits import POISON_IN_WINDOW_MAX
from tests.simulation import ghosts
from tests.simulation.broker import Item
from tests.simulation.clockwork import pause
from tests.simulation.disk import Disk
from tests.simulation.producing import Network
from tests.simulation.worker import Deaths, Worker

if TYPE_CHECKING:
    from tests.simulation.world import World

#: In every so manyth seed is a storm: everything goes wrong at once, and most of all what leaves states half written.
STORM_EVERY = 8
#: Every so manyth is haunted instead: owners of before are ahead of the present ones, and nothing else disturbs that.
HAUNTED_EVERY = 16
#: Longer than it takes an owner to write again what an older one wrote over.
COMPACTION_LAG_MS = 20_000
POISON = ((b"shop/nobody", b"no json"), (b"shop/nobody", b"\xff"), (b"nobody", b"{}"), (b"\x00what", b"{}"))
CLOCKS_MS = (0, -900, 900, 15_000, -15_000, 45_000, -45_000)
#: How often something happens at most, per virtual second.
RATES = {
    "kill": 0.6, "stop": 0.3, "freeze": 0.4, "rebalance": 0.5, "compact": 0.5, "owner clock": 0.2,
    "broker clock": 0.3, "intake": 0.3, "poison": 0.4, "amnesia": 0.1,
    "ghost": 0.5, "zombie": 0.3, "flood": 0.05, "cut": 0.05,
}  # fmt: skip
STORMY_RATES = {
    "kill": 1.0, "freeze": 0.7, "rebalance": 0.5, "broker clock": 0.7, "owner clock": 0.7, "compact": 0.3,
    "ghost": 2.0, "poison": 0.4, "flood": 0.1, "cut": 0.1,
}  # fmt: skip
HAUNTED_RATES = {"zombie": 2.0}


@dataclass(slots=True)
class Slot:
    """A worker's place: its disk outlives it."""

    name: str
    disk: Disk = field(default_factory=Disk)
    worker: Worker | None = None
    skew_ms: int = 0


class Misfortunes:
    """Drawn from dice of their own; what they do, they do to a world."""

    def __init__(self, dice: Random, *, seed: int) -> None:
        self._dice, self.is_haunted = dice, seed % HAUNTED_EVERY == 0
        self._is_storm = seed % STORM_EVERY == 0 and not self.is_haunted
        self.deaths, self.network = self._draw_deaths(), self._draw_network()
        most = STORMY_RATES if self._is_storm else RATES
        self.rates = {name: dice.uniform(0, rate) for name, rate in most.items() if self._on(0.35)}
        self._dies_early = self._often(0.3)
        if self.is_haunted:
            self.rates, self._dies_early = HAUNTED_RATES, False
            self.deaths, self.network = Deaths(points={}), Network(seconds=0.25)
        self.is_over = False
        self._intake_stops = 0
        self._world: World

    def _often(self, chance: float) -> bool:
        return self._dice.random() < chance

    def _on(self, chance: float) -> bool:
        return self._often(0.8 if self._is_storm else chance)

    def _draw_deaths(self) -> Deaths:
        rare = {"recovery": 0.1, "rebuild": 0.3, "seek": 0.3, "claim_written": 0.3}
        points = {point: rare.get(point, 0.02) for point in WORKER_POINTS if self._often(0.08)}
        if self._is_storm:
            points["between_state_batches"] = 0.2
        return Deaths(points=points, effects=0.003 if self._often(0.15) else 0.0)

    def _draw_network(self) -> Network:
        return Network(
            seconds=self._dice.choice((0.05, 0.25) if self._is_storm else (0.002, 0.01, 0.05)),
            slow=0.1 if self._on(0.4) else 0.0,
            lost=0.03 if self._on(0.3) else 0.0,
            unanswered=0.03 if self._on(0.3) else 0.0,
            late=0.05 if self._on(0.4) else 0.0,
            stuck=0.9 if self._is_storm else 0.6 if self._on(0.4) else 0.0,
            slips=0.8 if self._is_storm else 0.3 if self._on(0.5) else 0.0,
        )

    # --- the ends of processes ----------------------------------------------------------------------------

    def dies_at(self) -> int | None:
        """At which of its steps a process that begins now is killed."""
        return int(10 ** self._dice.uniform(1, 4)) if self._dies_early and not self.is_over else None

    def back_in(self, slot: Slot) -> float:
        """A process has ended: in how many seconds the next one begins, and with what is left of its disk."""
        if self.is_over:
            return 0.5
        if slot.worker is not None and slot.worker.is_cut_off:
            return self._dice.uniform(2.5, 4)
        fate = self._dice.random()
        if fate < (0.5 if self._is_storm else 0.15):
            slot.disk.wipe()
        elif fate < 0.6:
            slot.disk.lose(self._dice.randint(1, 5))
        return self._dice.uniform(0, 2)

    # --- what happens ---------------------------------------------------------------------------------------

    async def strike(self, world: World) -> None:
        """One after the other, until they are over."""
        self._world = world
        names, weights = list(self.rates), list(self.rates.values())
        while names:
            await pause(self._dice.expovariate(sum(weights)))
            if self.is_over:
                return
            (name,) = self._dice.choices(names, weights)
            world.broker.note(name)
            getattr(self, "_" + name.replace(" ", "_"))()

    def end(self) -> None:
        """From here on nothing goes wrong any more; intake may take its time to come back, and ghosts to arrive."""
        self.is_over = True
        world, net = self._world, self.network
        world.broker.note("heal")
        world.broker.skew_ms = 0
        net.slow = net.lost = net.unanswered = net.late = net.stuck = net.slips = 0.0
        self.deaths.points.clear()
        self.deaths.effects = 0.0
        self._intake_stops += 1
        world.loop.later(0 if self._often(0.98) else 60, world.intake.start)
        for slot in world.slots:
            slot.skew_ms = 0
            if slot.worker is not None:
                slot.worker.skew_ms, slot.worker.is_cut_off = 0, False
                slot.worker.life.spare()

    def _victim(self) -> tuple[Slot, Worker] | None:
        alive = list(running(self._world.slots))
        return self._dice.choice(alive) if alive else None

    def _kill(self) -> None:
        if (victim := self._victim()) is not None:
            victim[1].life.end("killed")

    def _stop(self) -> None:
        if (victim := self._victim()) is not None and not victim[1].life.frozen:
            victim[1].life.run(victim[1].stop())

    def _freeze(self) -> None:
        if (victim := self._victim()) is not None and not victim[1].life.frozen:
            life, session = victim[1].life, self._world.coordinator.session_seconds
            life.freeze()
            seconds = self._dice.choice((self._dice.uniform(0, 1), self._dice.uniform(0.5, 2.5) * session))
            self._world.loop.later(seconds, life.thaw)

    def _rebalance(self) -> None:
        """One, or two back to back."""
        self._world.coordinator.rebalance()
        if self._often(0.5):
            self._world.loop.later(self._dice.uniform(0, 0.5), self._world.coordinator.rebalance)

    def _compact(self) -> None:
        """Nothing is cleaned while an owner has still to write again what an older one wrote over: the lag is longer,
        whatever a clock that jumps says.
        """
        topic, broker = self._world.topics.profile_state, self._world.broker
        for number in range(topic.partitions):
            log = broker.log(topic.name, number)
            if not ghosts.stand_last(log.records):
                log.compact(older_than=broker.now_at - COMPACTION_LAG_MS)

    def _ghost(self) -> None:
        """A state that an owner of before had made arrives only now: long after newer ones, or right behind one."""
        number = self._dice.randrange(self._world.topics.profile_state.partitions)
        if self._often(0.5):
            ghosts.old_state(self._world, self._dice, number)
        else:
            topic = self._world.topics.profile_state.name
            self._world.broker.after_next(topic, number, partial(ghosts.state_behind, self._world, number))

    def _zombie(self) -> None:
        """An owner of before, who has not noticed, is ahead of the present one. That one dies when it has written what
        it is about to, and comes back with its disk after somebody else has had the partition.
        """
        world, number = self._world, self._dice.randrange(self._world.topics.profile_state.partitions)

        def strikes(behind: Sequence[Item]) -> bool:
            if self.is_over:
                return True
            for _, worker in running(world.slots):
                positions = {one.number: one.position for one in worker.owned()}
                if number in positions and ghosts.states_ahead(
                    world, self._dice, number, behind, position=positions[number]
                ):
                    worker.is_cut_off = True
                    world.loop.later(self._dice.uniform(4.5, 6), world.coordinator.rebalance, number)
                    return True
            return False

        world.broker.after_next(world.topics.profile_state.name, number, strikes)

    def _owner_clock(self) -> None:
        slot = self._dice.choice(self._world.slots)
        slot.skew_ms = self._dice.choice(CLOCKS_MS)
        if slot.worker is not None:
            slot.worker.skew_ms = slot.skew_ms

    def _broker_clock(self) -> None:
        self._world.broker.skew_ms = self._dice.choice(CLOCKS_MS)

    def _intake(self) -> None:
        self._world.intake.stop()
        seconds = self._dice.choice((0.1, 1, 5)) if self._often(0.97) else 90.0
        self._intake_stops += 1
        self._world.loop.later(seconds, self._intake_starts, self._intake_stops)

    def _intake_starts(self, number: int) -> None:
        if number == self._intake_stops:
            self._world.intake.start()

    def _poison(self) -> None:
        """A record that nobody can take, which may be of somebody who is in a flow."""
        world, dice = self._world, self._dice
        if world.recorded is not None:
            return
        key, value = dice.choice(POISON)
        headers: tuple[tuple[str, bytes], ...] = ()
        partition = dice.randrange(world.topics.profile_log.partitions)
        if self._often(0.2):
            key, value = b"shop/nobody", world.traffic.event(at_ms=int(world.loop.time() * 1000)).value
            headers = (("appended_at", b"1"),)
        elif self._often(0.5):
            key, value = world.traffic.somebody(dice), b"no json"
            partition = world.intake.partition_of(key)
        offset, _ = world.broker.append(world.topics.profile_log.name, partition, [(key, value)], headers=headers)
        if key != b"shop/nobody" and value == b"no json":
            world.on_call.hears_of(key, partition, offset)

    def _flood(self) -> None:
        """As many of them as stop a partition."""
        world = self._world
        if world.recorded is None:
            partition = self._dice.randrange(world.topics.profile_log.partitions)
            world.broker.append(world.topics.profile_log.name, partition, [POISON[0]] * (POISON_IN_WINDOW_MAX + 2))

    def _cut(self) -> None:
        """Somebody deletes the beginning of a changelog, or all of it; and often a disk is lost as well."""
        topic = self._world.topics.profile_state
        log = self._world.broker.log(topic.name, self._dice.randrange(topic.partitions))
        log.truncate(log.end if self._often(0.2) else self._dice.randint(log.begins, log.end))
        if self._often(0.7) and (victim := self._victim()) is not None:
            victim[0].disk.wipe()
            victim[1].life.end("killed")

    def _amnesia(self) -> None:
        self.forget_all_state()

    def forget_all_state(self) -> None:
        """The changelog is lost, and all disks with it; what dead processes had on its way belonged to the old one."""
        for worker in self._world.lives:
            worker.life.mute = True
            worker.life.end("killed")
        for slot in self._world.slots:
            slot.disk.wipe()
        for number in range(self._world.topics.profile_state.partitions):
            self._world.broker.forget(self._world.topics.profile_state.name, number)


def running(slots: list[Slot]) -> Iterator[tuple[Slot, Worker]]:
    """The places whose process lives."""
    for slot in slots:
        if slot.worker is not None and not slot.worker.life.over:
            yield slot, slot.worker
