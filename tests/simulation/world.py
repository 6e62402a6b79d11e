"""One seed: a small world of a broker, intake, a few workers and much misfortune, run to its end and judged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from agents.errors import CartwheelError
from agents.kill_points import WORKER_POINTS
from agents.worker.partitions import Work
from schemas import codec
from schemas.codec import PARTITION_KEY
from schemas.control import Watermark
from schemas.instants import to_wire
from schemas.topics import topics
from tests.oracle.scenario import TENANT
from tests.simulation.broker import Broker
from tests.simulation.clockwork import VirtualLoop, pause
from tests.simulation.coordinator import Coordinator
from tests.simulation.disk import Disk
from tests.simulation.intake import Intake
from tests.simulation.producing import Network
from tests.simulation.traffic import PROGRAMS, SOURCES, Traffic, flows
from tests.simulation.verdict import TICKS_APART_SECONDS, Verdict, judge
from tests.simulation.worker import Deaths, Parts, Surroundings, Worker, one_loop_for_all

INCARNATION = "simulated"
#: After the misfortunes end, everything must be worked off within so many virtual seconds.
DRAIN_SECONDS = 240.0
#: In every so manyth seed everything goes wrong at once, and most of all what leaves states half written.
STORM_EVERY = 8
#: More processes than misfortune can have ended: they end by themselves, again and again.
LIVES_MAX = 120
#: A timer that has been due for so long then is overdue.
OVERDUE_MS = 3_000
POISON = ((b"shop/nobody", b"no json"), (b"shop/nobody", b"\xff"), (b"nobody", b"{}"), (b"\x00what", b"{}"))
#: Died of while something was wrong on purpose; anything else that ends a process is a defect.
Ends = Counter[str]


@dataclass(slots=True)
class Slot:
    """A worker's place: its disk outlives it."""

    name: str
    disk: Disk = field(default_factory=Disk)
    worker: Worker | None = None
    skew_ms: int = 0


class World:
    """Everything that a seed decides is drawn here, in one order."""

    def __init__(
        self,
        seed: int,
        *,
        parts: Parts | None = None,
        recorded: Broker | None = None,
        workers: int | None = None,
        fetch_max: int | None = None,
    ) -> None:
        """With a `recorded` broker its profile log is there from the beginning, and nothing is reported or ticked."""
        self.seed, self._recorded, self._fetch_max = seed, recorded, fetch_max
        self._dice = dice = Random(f"world {seed}")
        self.flows = flows(seed % PROGRAMS)
        self.topics = topics("sim", partitions=dice.choice((1, 2, 2, 3)))
        self.loop = VirtualLoop()
        self.broker = Broker(self.loop)
        self._coordinator = Coordinator(
            loop=self.loop,
            broker=self.broker,
            dice=Random(f"coordinator {seed}"),
            partitions=self.topics.profile_log.partitions,
            session_seconds=dice.choice((2.0, 6.0)),
            static=dice.random() < 0.5,
        )
        self.intake = Intake(loop=self.loop, broker=self.broker, dice=Random(f"intake {seed}"), topics=self.topics)
        self.traffic = Traffic(Random(f"traffic {seed}"), people=dice.randint(5, 40), hot=dice.random() < 0.2)
        self._is_storm = seed % STORM_EVERY == 0
        self._seconds = dice.uniform(5, 16)
        self._events = dice.randint(40, 200)
        drawn = dice.choice((1, 2, 2, 3))
        self._slots = [Slot(f"w{number}") for number in range(workers or drawn)]
        self._deaths, self._network = self._draw_deaths(), self._draw_network()
        self._rates = self._draw_rates()
        self._dies_early = dice.random() < 0.3
        self._around = self._surroundings(parts or Parts())
        self._lives: list[Worker] = []
        self.ends: Ends = Counter()
        self.defects: list[str] = []
        self._is_healed = False

    # --- what is drawn ------------------------------------------------------------------------------

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
            seconds=self._dice.choice((0.002, 0.01, 0.05)),
            slow=0.1 if self._on(0.4) else 0.0,
            lost=0.03 if self._on(0.3) else 0.0,
            unanswered=0.03 if self._on(0.3) else 0.0,
            late=0.05 if self._on(0.4) else 0.0,
            stuck=0.6 if self._on(0.4) else 0.0,
            slips=0.8 if self._is_storm else 0.3 if self._on(0.5) else 0.0,
        )

    def _draw_rates(self) -> dict[str, float]:
        """How often something happens, per virtual second."""
        most = {
            "kill": 0.6, "stop": 0.3, "freeze": 0.4, "rebalance": 0.5, "compact": 0.5, "owner clock": 0.2,
            "broker clock": 0.3, "intake": 0.3, "poison": 0.4, "amnesia": 0.1,
        }  # fmt: skip
        calm = {"amnesia", "intake", "owner clock", "stop"} if self._is_storm else set()
        if self._is_storm:
            most |= {"freeze": 1.0, "kill": 1.0, "broker clock": 0.5}
        return {name: self._dice.uniform(0, rate) for name, rate in most.items() if name not in calm and self._on(0.35)}

    def _surroundings(self, parts: Parts) -> Surroundings:
        work = Work(
            program=self.flows.program,
            topic=self.topics.profile_log.name,
            clock="live",
            incarnation=INCARNATION,
            adopt_flows=False,
        )
        return Surroundings(
            loop=self.loop,
            broker=self.broker,
            coordinator=self._coordinator,
            topics=self.topics,
            work=work,
            network=self._network,
            deaths=self._deaths,
            parts=parts,
            fetch_max=self._fetch_max,
        )

    # --- the run ---------------------------------------------------------------------------------------

    def run(self) -> Verdict:
        """Play it to the end and judge."""
        asyncio.set_event_loop(None)
        with one_loop_for_all():
            try:
                self.loop.run_until_complete(self.loop.world(self._story()))
            finally:
                for worker in self._lives:
                    worker.life.end("over")
                self.loop.close()
        verdict = judge(
            broker=self.broker, topics=self.topics, flows=self.flows, intake=self.intake, incarnation=INCARNATION
        )
        verdict.fault("a process failed", self.defects)
        verdict.fault("ticks too close", self._hasty())
        verdict.fault("the simulation itself failed", self.loop.failures)
        verdict.counts.update(self.ends)
        return verdict

    async def _story(self) -> None:
        self.intake.start()
        self._expire_sessions()
        for slot in self._slots:
            self.loop.later(self._dice.uniform(0, 1), self._start, slot)
        if self._recorded is None:
            self._shop()
        else:
            self._lay_out(self._recorded)
        self.loop.world(self._misfortunes())
        await pause(self._seconds)
        self._heal()
        if not await self._becomes(self._is_quiet):
            self.defects.append(f"not drained: {self._standing()}")
        self.intake.marking = False
        if not await self._becomes(self._is_settled):
            self.defects.append(f"state not written: {self._standing()}")

    async def _becomes(self, true: Callable[[], bool]) -> bool:
        for _ in range(int(DRAIN_SECONDS / 0.5)):
            if len(self._lives) > LIVES_MAX:
                return False
            await pause(0.5)
            if true():
                return True
        return False

    def _expire_sessions(self) -> None:
        self._coordinator.expire()
        self.loop.later(0.25, self._expire_sessions)

    def _lay_out(self, recorded: Broker) -> None:
        self.intake.marking = False
        for number in range(self.topics.profile_log.partitions):
            log = self.broker.log(self.topics.profile_log.name, number)
            before = recorded.log(self.topics.profile_log.name, number)
            log.records, log.end = list(before.records), before.end

    def _shop(self) -> None:
        dice = Random(f"shop {self.seed}")
        for _ in range(self._events):
            self.loop.later(dice.uniform(0, self._seconds), self._report)
        for source in SOURCES:
            if dice.random() < 0.9:
                self._promise(dice, source)

    def _report(self) -> None:
        self.intake.report(self.traffic.event(at_ms=int(self.loop.time() * 1000)))

    def _promise(self, dice: Random, source: str) -> None:
        through = to_wire(int((self.loop.time() - dice.choice((0, 0, 0.5, 3))) * 1000))
        self.intake.promise(Watermark(source=source, complete_through=through, tenant=TENANT))
        if not self._is_healed:
            self.loop.later(dice.choice((0.5, 0.5, 2, 6)), self._promise, dice, source)

    # --- workers ------------------------------------------------------------------------------------------

    def _start(self, slot: Slot) -> None:
        if len(self._lives) > LIVES_MAX or (slot.worker is not None and not slot.worker.life.over):
            return
        number = len(self._lives)
        name = slot.name if self._coordinator.static else f"{slot.name}.{number}"
        dies_at = int(10 ** self._dice.uniform(1, 4)) if self._dies_early and not self._is_healed else None
        dice = Random(f"worker {self.seed} {number}")
        self.broker.note(f"start {name}")
        worker = slot.worker = Worker(self._around, name=name, disk=slot.disk, dice=dice, dies_at=dies_at)
        worker.skew_ms = slot.skew_ms
        worker.life.on_end.append(lambda: self._ended(slot, worker))
        self._lives.append(worker)

    def _ended(self, slot: Slot, worker: Worker) -> None:
        cause = worker.life.cause
        self.broker.note(f"end {worker.life.name}: {cause!r}")
        self.ends[f"end: {cause.message[:60] if isinstance(cause, CartwheelError) else cause}"] += 1
        if isinstance(cause, BaseException) and not isinstance(cause, CartwheelError):
            self.defects.append(f"{worker.life.name}: {cause!r}")
        fate = self._dice.random()
        if not self._is_healed and fate < (0.5 if self._is_storm else 0.15):
            slot.disk.wipe()
        elif not self._is_healed and fate < 0.6:
            slot.disk.lose(self._dice.randint(1, 5))
        self.loop.later(0.5 if self._is_healed else self._dice.uniform(0, 2), self._start, slot)

    def _running(self) -> Iterator[tuple[Slot, Worker]]:
        for slot in self._slots:
            if slot.worker is not None and not slot.worker.life.over:
                yield slot, slot.worker

    # --- misfortunes ------------------------------------------------------------------------------------

    async def _misfortunes(self) -> None:
        names = list(self._rates)
        total = sum(self._rates.values())
        while names:
            await pause(self._dice.expovariate(total))
            if self._is_healed:
                return
            (name,) = self._dice.choices(names, list(self._rates.values()))
            self.broker.note(name)
            getattr(self, "_" + name.replace(" ", "_"))()

    def _victim(self) -> tuple[Slot, Worker] | None:
        running = list(self._running())
        return self._dice.choice(running) if running else None

    def _kill(self) -> None:
        if (victim := self._victim()) is not None:
            victim[1].life.end("killed")

    def _stop(self) -> None:
        if (victim := self._victim()) is not None and not victim[1].life.frozen:
            victim[1].life.run(victim[1].stop())

    def _freeze(self) -> None:
        if (victim := self._victim()) is not None and not victim[1].life.frozen:
            life, session = victim[1].life, self._coordinator.session_seconds
            life.freeze()
            seconds = self._dice.choice((self._dice.uniform(0, 1), self._dice.uniform(0.5, 2.5) * session))
            self.loop.later(seconds, life.thaw)

    def _rebalance(self) -> None:
        """One, or two back to back."""
        self._coordinator.rebalance()
        if self._often(0.5):
            self.loop.later(self._dice.uniform(0, 0.5), self._coordinator.rebalance)

    def _compact(self) -> None:
        for number in range(self.topics.profile_state.partitions):
            self.broker.log(self.topics.profile_state.name, number).compact(older_than=self.broker.now_at - 20_000)

    def _owner_clock(self) -> None:
        slot = self._dice.choice(self._slots)
        slot.skew_ms = self._dice.choice((0, -900, 900, 15_000, -15_000, 45_000, -45_000))
        if slot.worker is not None:
            slot.worker.skew_ms = slot.skew_ms

    def _broker_clock(self) -> None:
        self.broker.skew_ms = self._dice.choice((0, -900, 900, 15_000, -15_000, 45_000, -45_000))

    def _intake(self) -> None:
        self.intake.stop()
        seconds = self._dice.choice((0.1, 1, 5)) if self._often(0.97) else 90.0
        self._intake_stops += 1
        self.loop.later(seconds, self._intake_starts, self._intake_stops)

    _intake_stops = 0

    def _intake_starts(self, number: int) -> None:
        if number == self._intake_stops:
            self.intake.start()

    def _poison(self) -> None:
        if self._recorded is not None:
            return
        key, value = self._dice.choice(POISON)
        partition = self._dice.randrange(self.topics.profile_log.partitions)
        headers: tuple[tuple[str, bytes], ...] = ()
        if self._often(0.2):
            key, value = b"shop/nobody", self.traffic.event(at_ms=int(self.loop.time() * 1000)).value
            headers = (("appended_at", b"1"),)
        self.broker.append(self.topics.profile_log.name, partition, [(key, value)], headers=headers)

    def _amnesia(self) -> None:
        """The changelog is lost, and all disks with it; what dead processes had on its way belonged to the old one."""
        for worker in self._lives:
            worker.life.mute = True
            worker.life.end("killed")
        for slot in self._slots:
            slot.disk.wipe()
        for number in range(self.topics.profile_state.partitions):
            self.broker.forget(self.topics.profile_state.name, number)

    def _heal(self) -> None:
        self._is_healed = True
        self.broker.note("heal")
        self.broker.skew_ms = 0
        self._network.slow = self._network.lost = self._network.unanswered = self._network.late = 0.0
        self._network.stuck = self._network.slips = 0.0
        self._deaths.points.clear()
        self._deaths.effects = 0.0
        self._intake_stops += 1
        if self._often(0.98):
            self.intake.start()
        else:
            self.loop.later(60, self.intake.start)
        for slot in self._slots:
            slot.skew_ms = 0
            if slot.worker is not None:
                slot.worker.skew_ms = 0
                slot.worker.life.spare()

    # --- the end ---------------------------------------------------------------------------------------------

    def _is_drained(self) -> bool:
        ends = [
            self.broker.log(self.topics.profile_log.name, number).end
            for number in range(self.topics.profile_log.partitions)
        ]
        positions = {one.number: one.core.position for _, worker in self._running() for one in worker.owned()}
        return positions == dict(enumerate(ends)) and len(self.intake.forwarded) == len(self.intake.reported)

    def _is_quiet(self) -> bool:
        wakeups = [one.core.next_wakeup_at for _, worker in self._running() for one in worker.owned()]
        overdue = self._recorded is None and min(wakeups, default=0) <= self.broker.now_at - OVERDUE_MS
        return self._is_drained() and not overdue

    def _is_settled(self) -> bool:
        """Nothing is on its way any more, and the state says so."""
        return self._is_drained() and all(
            not one.tick.sending and self._written_to(one.number) == one.core.position
            for _, worker in self._running()
            for one in worker.owned()
        )

    def _written_to(self, number: int) -> int:
        records = self.broker.log(self.topics.profile_state.name, number).records
        kept = [record.value for record in records if record.key == PARTITION_KEY]
        return max((codec.rank(PARTITION_KEY, value) for value in kept), default=(0, 0))[1]

    def _standing(self) -> str:
        said = [
            f"{worker.life.name} frozen={worker.life.frozen} ready={worker.ready} "
            + ", ".join(f"{one.number}: {one.core.position}" for one in worker.owned())
            for _, worker in self._running()
        ]
        ends = [self.broker.log(self.topics.profile_log.name, n).end for n in range(self.topics.profile_log.partitions)]
        return f"ends {ends}; {'; '.join(said)}"

    def _hasty(self) -> list[str]:
        found = []
        for worker in self._lives:
            for number in {partition for partition, _ in worker.ticked}:
                moments = [at for partition, at in worker.ticked if partition == number]
                found += [
                    f"{worker.life.name} in {number} at {after:.3f}"
                    for before, after in pairwise(moments)
                    if after - before < TICKS_APART_SECONDS - 1e-6
                ]
        return found


def play(seed: int, *, parts: Parts | None = None) -> tuple[Verdict, World]:
    """Run one seed."""
    world = World(seed, parts=parts)
    return world.run(), world
