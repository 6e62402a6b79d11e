"""A worker process of the simulation: the real parts of the product, wired as `process` wires them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from prometheus_client import CollectorRegistry

from agents.definitions.book import Book
from agents.faust_engine import Engine, EngineOptions
from agents.worker.activating import Activator
from agents.worker.marks import Marks
from agents.worker.metrics import Metrics
from agents.worker.owned_partition import OwnedPartition
from agents.worker.partitions import Partitions, Work
from agents.worker.progress import ProgressFollower
from agents.worker.ticker import Ticker
from agents.worker.unit_of_work import Destinations
from schemas.control import TICK_KEY
from schemas.topics import Topics
from tests.simulation.broker import Broker
from tests.simulation.clockwork import Life, VirtualLoop, life, pause
from tests.simulation.coordinator import Coordinator
from tests.simulation.disk import Disk, Store
from tests.simulation.faust_side import App, Recovery, SimulatedConsumer, agent
from tests.simulation.ledger import Ledger
from tests.simulation.producing import Network, Producer

METRICS = Metrics(CollectorRegistry())
#: Longer than a partition takes to find that its state cannot be written.
STOP_SECONDS = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the product that a test may replace by broken ones, to see that it is noticed."""

    partitions: type[Partitions] = Partitions
    store: type[Store] = Store
    consumer: type[SimulatedConsumer] = SimulatedConsumer
    marks: type[Marks] = Marks
    producer: type[Producer] = Producer
    ledger: type[Ledger] = Ledger
    book: type[Book] = Book


@dataclass(slots=True, kw_only=True)
class Deaths:
    """How likely a process dies at a named point, and before or after anything it does to the world."""

    points: dict[str, float]
    effects: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything around a worker."""

    loop: VirtualLoop
    broker: Broker
    coordinator: Coordinator
    topics: Topics
    work: Work
    network: Network
    deaths: Deaths
    parts: Parts
    definitions_seconds: float = 0.05
    """So far behind the definitions topic a worker may be."""
    fetch_max: int | None = None
    """Records in a fetched batch, if that is not left to the seed."""


class Worker:
    """One life of a worker under a name. `skew_ms` moves its clock."""

    def __init__(
        self,
        around: Surroundings,
        *,
        resumed: Iterable[tuple[int, int]],
        name: str,
        disk: Disk,
        dice: Random,
        dies_at: int | None,
    ) -> None:
        self._around, self._dice, self._disk = around, dice, disk
        self._definitions = Definitions(around)
        self._work = replace(around.work, book=self._definitions.book, resumed=frozenset(resumed))
        self.life = Life(around.loop, name, dies_at=dies_at)
        disk.reopen()
        self.skew_ms = 0
        self.ready = 0
        self.is_cut_off = False
        """Dies when it has written to its disk next."""
        self.ticked: list[tuple[int, float]] = []
        self.strays: list[int] = []
        """Partitions that were ticked and not assigned."""
        self.partitions: Partitions
        self._consumer: SimulatedConsumer
        self._engine: Engine
        self.life.run(self._guarded(self._main()))

    async def stop(self) -> None:
        """SIGTERM: finish what is in flight, leave."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._engine._finish()
                await self._engine._leave()
        except Exception as error:  # noqa: BLE001 - an end that fails is an end, too
            self.ends(error)
        self._around.coordinator.leave(self.life.name, self._consumer.number)
        self.life.end("stopped")

    def owned(self) -> Collection[OwnedPartition]:
        """What it reads at present."""
        return self.partitions.started() if self.ready else ()

    def clock_ms(self) -> int:
        """The clock of its machine."""
        return int(self._around.loop.time() * 1000) + self.skew_ms

    def ends(self, error: BaseException) -> NoReturn:
        """What ends the process in earnest ends it here."""
        self.life.die(error)

    async def _main(self) -> None:
        around, life = self._around, self.life
        store = around.parts.store(self._disk, effect=self._effect)
        app = App(options=self._options(), store=store)
        consumer = self._consumer = around.parts.consumer(
            app=app,
            life=life,
            broker=around.broker,
            coordinator=around.coordinator,
            dice=self._dice,
            seconds=self._dice.choice((0.002, 0.02, 0.2)),
        )
        consumer.fetch_max = around.fetch_max or consumer.fetch_max
        app.consumer, app.recovery = consumer, Recovery(app)
        producer = around.parts.producer(
            loop=around.loop,
            life=life,
            broker=around.broker,
            dice=self._dice,
            network=around.network,
            lease=app.lease,
            effect=self._effect,
        )
        engine = self._engine = SimulatedEngine(app, producer, around.broker)
        self.partitions = self._make_partitions(engine)
        app.duties = self.partitions.duties()
        marks = around.parts.marks(raw_partitions=around.topics.raw.partitions)
        follower = Follower(around.broker, around.topics, marks)
        for work in (
            agent(app),
            app.recovery.run(),
            engine._watch(),
            consumer._drain_messages(SimpleNamespace(_stopped=consumer._stopped)),
            consumer.belong(),
            follower.run(),
            self._definitions.follow(),
            self._activate(producer),
            self._tick(follower, marks, producer),
        ):
            life.run(self._guarded(work))

    def _make_partitions(self, engine: Engine) -> Partitions:
        around, topics = self._around, self._around.topics
        return around.parts.partitions(
            engine=engine,
            work=self._work,
            destinations=Destinations.of(topics),
            state_batch_bytes=None,
            metrics=METRICS,
            instance=self.life.name,
            clock_ms=self.clock_ms,
            reached=self._reached,
            ready=self._ready,
            fail=self.ends,
        )

    async def _activate(self, producer: Producer) -> None:
        topic = self._around.topics.profile_log.name

        async def append(partition: int, key: bytes, value: bytes) -> Any:
            return await producer.send(topic, partition, [(key, value)])

        book = self._definitions.book
        await Activator(owned=self.partitions.started, book=book, append=append, fail=self.ends).run()

    async def _tick(self, follower: Follower, marks: Marks, producer: Producer) -> None:
        topic = self._around.topics.profile_log.name

        async def append(partition: int, key: bytes, value: bytes) -> Any:
            if key == TICK_KEY:
                self.ticked.append((partition, self._around.loop.time()))
                if all(tp.partition != partition for tp in self._consumer.assignment()):
                    self.strays.append(partition)
            return await producer.send(topic, partition, [(key, value)])

        ticker = Ticker(
            owned=self.partitions.started,
            marks=marks,
            moved=follower.moved,
            append=append,
            lag=self.partitions.lag,
            clock_ms=self.clock_ms,
            reached=self._reached,
            fail=self.ends,
        )
        await follower.caught_up.wait()
        await ticker.run()

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - as in `process`: nothing that fails is survived
            self.ends(error)

    def _ready(self, _: Sequence[int]) -> None:
        self.ready += 1

    def _reached(self, point: str) -> None:
        self.life.check()
        chance = self._around.deaths.points.get(point, 0.0)
        is_last = point == "local_store_written" and self.is_cut_off
        if is_last or (chance and self._dice.random() < chance):
            self.life.die(f"killed at {point}")

    def _effect(self, name: str) -> None:
        self.life.check()
        if self._around.deaths.effects and self._dice.random() < self._around.deaths.effects:
            self.life.die(f"killed at {name}")

    def _options(self) -> EngineOptions:
        topics, coordinator = self._around.topics, self._around.coordinator
        return EngineOptions(
            kafka="",
            group="workers",
            instance=self.life.name if coordinator.static else None,
            folder=Path(),
            log_topic=topics.profile_log.name,
            state_topic=topics.profile_state.name,
            partitions=topics.profile_log.partitions,
            session_seconds=coordinator.session_seconds,
        )


class SimulatedEngine(Engine):
    """The engine without its app."""

    def __init__(self, app: App, producer: Producer, broker: Broker) -> None:
        self._app: Any = app
        self._options, self.store, self._broker = app.options, app.store, broker
        self.batches: Any = producer

    async def read_changelog(self, partition: int, first: int, end: int) -> list[tuple[bytes, bytes | None]]:
        """What is left there of these offsets."""
        await pause(0.01)
        records = self._broker.log(self._options.state_topic, partition).read(first, end - first)
        return [(record.key or b"", record.value) for record in records if record.offset < end]


class Follower(ProgressFollower):
    """Reads intake's marks from the simulated broker, and judges them as the real one does."""

    def __init__(self, broker: Broker, topics: Topics, marks: Marks) -> None:
        super().__init__(kafka="", topic=topics.progress, marks=marks)
        self._broker, self._log = broker, broker.log(topics.progress.name, 0)

    async def run(self) -> None:
        """Poll a few times a second."""
        end, position = self._log.end, 0
        while True:
            if position >= end:
                self.caught_up.set()
            records = self._log.read(position)
            if records:
                self._take(records)
                position = records[-1].offset + 1
            await pause(0.05)


class Definitions:
    """The definitions as one process has read them: at its start all of them, from then on a while behind."""

    def __init__(self, around: Surroundings) -> None:
        self.book = around.parts.book()
        self._log, self._seconds = around.broker.log(around.topics.definitions.name, 0), around.definitions_seconds
        self._read()

    async def follow(self) -> None:
        """On and on."""
        while True:
            await pause(self._seconds)
            self._read()

    def _read(self) -> None:
        for record in self._log.read(self.book.next_offset):
            self.book.take(record.offset, record.key, record.value)


@contextmanager
def one_loop_for_all() -> Iterator[None]:
    """What ends a process, and what tells it the time, speak of the simulated one in which they are called."""
    with _replaced("end_process", _end), _replaced("time", SimpleNamespace(monotonic=_now, perf_counter=_now)):
        yield


def _end(error: BaseException) -> NoReturn:
    own = life()
    assert own is not None, error
    own.die(error)


def _now() -> float:
    return asyncio.get_running_loop().time()


@contextmanager
def _replaced(name: str, by: Any) -> Iterator[None]:
    was: list[tuple[ModuleType, Any]] = []
    for module in [m for path, m in sys.modules.items() if path.startswith(("agents.faust_engine", "agents.worker"))]:
        found = vars(module).get(name)
        if found is not None and (name == "end_process" or found.__name__ == "time"):
            was.append((module, found))
            setattr(module, name, by)
    try:
        yield
    finally:
        for module, found in was:
            setattr(module, name, found)
