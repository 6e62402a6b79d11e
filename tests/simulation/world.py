"""One seed: a small world of a broker, intake, a few workers and much misfortune, run to its end and judged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from random import Random

import orjson

from agents.errors import CartwheelError
from agents.worker.partitions import Work
from schemas.control import Watermark
from schemas.instants import to_wire
from schemas.topics import topics
from tests.oracle.scenario import TENANT
from tests.simulation.broker import Broker, Record
from tests.simulation.clockwork import VirtualLoop, pause
from tests.simulation.coordinator import Coordinator
from tests.simulation.intake import Intake
from tests.simulation.misfortune import Misfortunes, Slot, running
from tests.simulation.on_call import OnCall
from tests.simulation.publishing import Publisher
from tests.simulation.traffic import CHANGING_PROGRAMS, PROGRAMS, SOURCES, Flows, Traffic, changing_flows, flows
from tests.simulation.verdict import TICKS_APART_SECONDS, Verdict, judge
from tests.simulation.worker import Parts, Surroundings, Worker, one_loop_for_all

INCARNATION = "simulated"
#: After the misfortunes end, everything must be worked off within so many virtual seconds.
DRAIN_SECONDS = 240.0
#: Worlds in which something is published while people are in a flow.
CHANGING = 0.5
OUTCOMES = ("accepted", "unknown", "rejected", "rejected", "failed")
#: Events that are reported when nothing goes wrong any more, so that state is written a few times.
AFTERMATH = 8
#: More processes than misfortune can have ended: they end by themselves, again and again.
LIVES_MAX = 120
#: A timer that has been due for so long then is overdue.
OVERDUE_MS = 3_000


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
        self.seed, self.recorded, self._fetch_max = seed, recorded, fetch_max
        self._dice = dice = Random(f"world {seed}")
        self.flows = self._flows()
        self.topics = topics("sim", partitions=dice.choice((1, 2, 2, 3)))
        self.loop = VirtualLoop()
        self.broker = Broker(self.loop)
        self.publisher = Publisher(self, Random(f"publisher {seed}"), changes=len(self.flows.editions[-1]) > 1)
        self.coordinator = Coordinator(
            loop=self.loop,
            broker=self.broker,
            dice=Random(f"coordinator {seed}"),
            partitions=self.topics.profile_log.partitions,
            session_seconds=dice.choice((2.0, 6.0)),
            static=dice.random() < 0.5,
        )
        self.intake = Intake(loop=self.loop, broker=self.broker, dice=Random(f"intake {seed}"), topics=self.topics)
        self.ledger = (parts or Parts()).ledger(self.broker, self.topics, Random(f"ledger {seed}"))
        people, hot = dice.randint(5, 40), dice.random() < 0.2
        if self.publisher.changes:  # then all that happens is remembered, and nobody may have too much of it
            people, hot = max(people, 10), False
        self.traffic = Traffic(Random(f"traffic {seed}"), people=people, hot=hot)
        self.misfortunes = Misfortunes(Random(f"misfortune {seed}"), seed=seed)
        self._seconds = dice.uniform(5, 16)
        self._events = dice.randint(40, 200)
        drawn = dice.choice((2, 3) if self.misfortunes.is_haunted else (1, 2, 2, 3))
        self.slots = [Slot(f"w{number}") for number in range(workers or drawn)]
        self._around = self._surroundings(parts or Parts())
        self.lives: list[Worker] = []
        self.ends: Counter[str] = Counter()
        self.defects: list[str] = []
        self.incarnation = INCARNATION
        self.on_call = OnCall(self, Random(f"on call {seed}"))

    def _flows(self) -> Flows:
        return changing_flows(self.seed % CHANGING_PROGRAMS) if changes(self.seed) else flows(self.seed % PROGRAMS)

    def _begins(self) -> float:
        """When workers are started first."""
        return 0.0

    def _surroundings(self, parts: Parts) -> Surroundings:
        work = Work(
            book=self.publisher.book(),
            topic=self.topics.profile_log.name,
            clock="live",
            incarnation=INCARNATION,
        )
        return Surroundings(
            loop=self.loop,
            broker=self.broker,
            coordinator=self.coordinator,
            topics=self.topics,
            work=work,
            network=self.misfortunes.network,
            deaths=self.misfortunes.deaths,
            parts=parts,
            definitions_seconds=Random(f"definitions {self.seed}").choice((0.05, 0.3, 3.0)),
            fetch_max=self._fetch_max,
        )

    # --- the run ---------------------------------------------------------------------------------------

    def run(self) -> Verdict:
        """Play it to the end and judge."""
        asyncio.set_event_loop(None)
        with one_loop_for_all():
            try:
                self.loop.run_until_complete(self.loop.world(self._story()))
                stores = self._stores()
            finally:
                for worker in self.lives:
                    worker.life.end("over")
                self.loop.close()
        verdict = judge(
            broker=self.broker, topics=self.topics, book=self.publisher.book(), intake=self.intake, ledger=self.ledger,
            incarnation=INCARNATION, stores=stores,
        )  # fmt: skip
        verdict.fault("a process failed", self.defects)
        verdict.fault("ticks too close", self._hasty())
        verdict.fault("ticked and not assigned", (stray for worker in self.lives for stray in worker.strays))
        verdict.fault("the simulation itself failed", self.loop.failures)
        verdict.counts.update(self.ends)
        verdict.counts["stops"] += len(self.on_call.resumed)
        return verdict

    async def _story(self) -> None:
        if self.recorded is None:
            self.publisher.open(seconds=self._seconds)
            self.ledger.hears = self._receipt if self.publisher.changes else None
        self.intake.start()
        self._expire_sessions()
        for slot in self.slots:
            self.loop.later(self._begins() + self._dice.uniform(0, 1), self._start, slot)
        if self.recorded is None:
            self._shop()
        else:
            self._lay_out(self.recorded)
        self.loop.world(self.misfortunes.strike(self))
        self.loop.world(self.on_call.watch())
        self.loop.world(self.ledger.run())
        await pause(self._seconds)
        self.misfortunes.end()
        if not await self._becomes(self._is_quiet):
            self.defects.append(f"not drained: {self._standing()}")
        self.intake.marking = False
        if not await self._becomes(self._is_settled):
            self.defects.append(f"state not written: {self._standing()}")

    async def _becomes(self, true: Callable[[], bool]) -> bool:
        for _ in range(int(DRAIN_SECONDS / 0.5)):
            if len(self.lives) > LIVES_MAX:
                return False
            await pause(0.5)
            if true():
                return True
        return False

    def _expire_sessions(self) -> None:
        self.coordinator.expire()
        self.loop.later(0.25, self._expire_sessions)

    def _lay_out(self, recorded: Broker) -> None:
        self.intake.marking = False
        whole = [(self.topics.profile_log.name, number) for number in range(self.topics.profile_log.partitions)]
        for topic, number in [*whole, (self.topics.definitions.name, 0)]:
            log, before = self.broker.log(topic, number), recorded.log(topic, number)
            log.records, log.end = list(before.records), before.end

    def _shop(self) -> None:
        dice = Random(f"shop {self.seed}")
        for _ in range(self._events):
            self.loop.later(dice.uniform(0, self._seconds), self._report)
        for number in range(AFTERMATH):
            self.loop.later(self._seconds + 0.7 * number, self._report)
        for source in SOURCES:
            if dice.random() < 0.9:
                self._promise(dice, source)

    def _report(self) -> None:
        self.intake.report(self.traffic.event(at_ms=int(self.loop.time() * 1000)))

    def _receipt(self, command: bytes) -> None:
        """A sender says what has become of a command, or says nothing; a few take back what they have said."""
        dice = Random(f"receipt {self.seed} {orjson.loads(command)['command_id']}")
        said = [dice.choice(OUTCOMES)] if dice.random() < 0.8 else []
        if said == ["accepted"] and dice.random() < 0.2:
            said.append("rejected")
        at = 0.0
        for outcome in said:
            at += dice.choice((0.01, 0.5, 6)) * dice.random()
            self.loop.later(at, self._hear, command, outcome)

    def _hear(self, command: bytes, outcome: str) -> None:
        self.intake.report(self.traffic.receipt(command, outcome=outcome, at_ms=int(self.loop.time() * 1000)))

    def _promise(self, dice: Random, source: str) -> None:
        through = to_wire(int((self.loop.time() - dice.choice((0, 0, 0.5, 3))) * 1000))
        self.intake.promise(Watermark(source=source, complete_through=through, tenant=TENANT))
        if not self.misfortunes.is_over:
            self.loop.later(dice.choice((0.5, 0.5, 2, 6)), self._promise, dice, source)

    # --- workers ------------------------------------------------------------------------------------------

    def _start(self, slot: Slot) -> None:
        if len(self.lives) > LIVES_MAX or (slot.worker is not None and not slot.worker.life.over):
            return
        number = len(self.lives)
        name = slot.name if self.coordinator.static else f"{slot.name}.{number}"
        dice = Random(f"worker {self.seed} {number}")
        self.broker.note(f"start {name}")
        worker = slot.worker = Worker(
            self._around,
            resumed=self.on_call.resumed,
            name=name,
            disk=slot.disk,
            dice=dice,
            dies_at=self.misfortunes.dies_at(),
        )
        worker.skew_ms = slot.skew_ms
        worker.life.on_end.append(lambda: self._ended(slot, worker))
        self.lives.append(worker)

    def _ended(self, slot: Slot, worker: Worker) -> None:
        cause = worker.life.cause
        self.broker.note(f"end {worker.life.name}: {cause!r}")
        self.on_call.hears_the_end(cause)
        self.ends[f"end: {cause.message[:60] if isinstance(cause, CartwheelError) else cause}"] += 1
        if isinstance(cause, BaseException) and not isinstance(cause, CartwheelError):
            self.defects.append(f"{worker.life.name}: {cause!r}")
        self.loop.later(self.misfortunes.back_in(slot), self._start, slot)

    # --- the end ---------------------------------------------------------------------------------------------

    def _is_drained(self) -> bool:
        ends = [
            self.broker.log(self.topics.profile_log.name, number).end
            for number in range(self.topics.profile_log.partitions)
        ]
        owned = [one for _, worker in running(self.slots) for one in worker.owned()]
        positions = sorted((one.number, one.core.position) for one in owned if one.core.stopped is None)
        return positions == list(enumerate(ends)) and len(self.intake.forwarded) == len(self.intake.reported)

    def _is_activated(self) -> bool:
        """Everywhere the newest activation is in force, but where nothing is taken any more."""
        newest = self.publisher.book().newest
        owned = [one for _, worker in running(self.slots) for one in worker.owned()]
        return all(one.core.program.number == newest for one in owned if one.core.stopped is None)

    def _is_quiet(self) -> bool:
        wakeups = [one.core.next_wakeup_at for _, worker in running(self.slots) for one in worker.owned()]
        overdue = self.recorded is None and min(wakeups, default=0) <= self.broker.now_at - OVERDUE_MS
        return self._is_drained() and self._is_activated() and not overdue

    def _is_settled(self) -> bool:
        """Nothing is on its way any more, and the state says so."""
        return (
            self._is_drained()
            and self.ledger.is_drained()
            and all(
                not one.tick.sending and one.settled_position == one.core.position
                for _, worker in running(self.slots)
                for one in worker.owned()
            )
        )

    def _stores(self) -> dict[int, list[Record]]:
        """What the owners of partitions hold whose changelog was cut: there the rest of the states is."""
        return {
            one.number: [Record(-1, 0, key, value) for key, value in slot.disk.database(one.number).items(from_key=b"")]
            for slot, worker in running(self.slots)
            for one in worker.owned()
            if self.broker.log(self.topics.profile_state.name, one.number).begins
        }

    def _standing(self) -> str:
        said = [
            f"{worker.life.name} frozen={worker.life.frozen} ready={worker.ready} "
            + ", ".join(f"{one.number}: {one.core.position} of {one.core.program.number}" for one in worker.owned())
            for _, worker in running(self.slots)
        ]
        ends = [self.broker.log(self.topics.profile_log.name, n).end for n in range(self.topics.profile_log.partitions)]
        return f"ends {ends}; {'; '.join(said)}"

    def _hasty(self) -> list[str]:
        found = []
        for worker in self.lives:
            for number in {partition for partition, _ in worker.ticked}:
                moments = [at for partition, at in worker.ticked if partition == number]
                found += [
                    f"{worker.life.name} in {number} at {after:.3f}"
                    for before, after in pairwise(moments)
                    if after - before < TICKS_APART_SECONDS - 1e-6
                ]
        return found


def changes(seed: int) -> bool:
    """Whether flows change in this world."""
    return Random(f"changes {seed}").random() < CHANGING


def play(seed: int, *, parts: Parts | None = None) -> tuple[Verdict, World]:
    """Run one seed."""
    world = World(seed, parts=parts)
    return world.run(), world
