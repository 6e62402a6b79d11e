"""What the engine finds in Faust and in its client, as far as it relies on it: the order of calls in a rebalance, the
recovery service, a consumer whose positions move, and an agent's stream. The engine's own code runs on it unchanged.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import IllegalStateError

from agents.faust_engine import consumer as engine_consumer
from agents.faust_engine.app import EngineApp, _rebuilder, _taker
from agents.faust_engine.consumer import EngineConsumer
from agents.faust_engine.duties import Duties
from agents.faust_engine.expectations import Expectations
from agents.faust_engine.lease import Lease
from agents.faust_engine.options import EngineOptions
from agents.faust_engine.store import LocalStore
from tests.simulation.broker import Broker
from tests.simulation.clockwork import Life, pause
from tests.simulation.coordinator import Coordinator

TP: Any = engine_consumer.TP  # type: ignore[attr-defined]
FaustConsumer: Any = engine_consumer.driver.Consumer  # type: ignore[attr-defined]


class RebalanceAgain(Exception):
    """Another one came while a recovery was under way."""


class App:
    """A Faust app: what `EngineApp` says of itself, over doubles of what Faust brings."""

    touch = EngineApp.touch
    mark_started = EngineApp.mark_started
    mark_stopped = EngineApp.mark_stopped
    should_stop = False

    def __init__(self, *, options: EngineOptions, store: LocalStore) -> None:
        self.options, self.store = options, store
        self.expectations = Expectations()
        self.lease = Lease(session_seconds=options.session_seconds, now=lambda: asyncio.get_running_loop().time())
        self.duties: Duties
        self.committed: dict[int, int] = {}
        self.consumer: Any = None
        self.recovery: Any = None
        self.assigned_completely = self.started_now = self.leaving = False
        self.rebalancing = self.in_recovery = False
        self.touched_at = asyncio.get_running_loop().time()
        self.consumer_generation_id = 0
        self.assigned: set[Any] = set()
        self.assignor = SimpleNamespace(assigned_actives=lambda: self.assigned)

    @property
    def engine_consumer(self) -> Any:
        """The consumer."""
        return self.consumer

    async def stop(self) -> None:
        """Faust's own services; nothing of ours."""


class Stream:
    """The stream of the one agent: what waits in it is dropped in a rebalance."""

    def __init__(self) -> None:
        self._queue: deque[Any] = deque()
        self._arrived = asyncio.Event()

    def put(self, message: Any, ack: Any) -> None:
        """One more event."""
        self._queue.append(SimpleNamespace(message=message, value=message.value, ack=ack))
        self._arrived.set()

    def clear(self) -> None:
        """Forget what waits."""
        self._queue.clear()

    def noack(self) -> Stream:
        """Nothing is acknowledged by itself."""
        return self

    async def events(self) -> AsyncIterator[Any]:
        """For ever."""
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            yield self._queue.popleft()


class FaustSide(FaustConsumer):  # type: ignore[misc]
    """Stands between `EngineConsumer` and Faust's consumer, and keeps the latter from being asked anything."""

    log = logging.getLogger("simulated")
    should_stop = False
    consumer_stopped_errors = ()
    _stopped = SimpleNamespace(is_set=lambda: False)
    app: Any = None

    def __init__(
        self, *, app: App, life: Life, broker: Broker, coordinator: Coordinator, dice: Random, seconds: float
    ) -> None:
        self.app = app
        self.life, self.broker, self.coordinator, self.dice = life, broker, coordinator, dice
        self.seconds = seconds
        """How long a call to the broker takes at most, usually."""
        self.stream = Stream()
        self.number = coordinator.enter(life.name)
        self.flow_active = False
        self._can_resume = asyncio.Event()
        self._active: set[Any] = set()
        self._positions: dict[Any, int] = {}
        self._unacked_messages: set[Any] = set()
        self._committed_offset: dict[Any, int | None] = {}
        self._acked_to: dict[int, int] = {}
        self.fetch_max = dice.choice((1, 3, 10, 50, 1_000))
        self._answer = "ok"
        # Where the engine looks for the client's own coordinator, whose heartbeats it watches, and its fetcher.
        fetcher = SimpleNamespace(_proc_fetch_request=None)
        self._thread = SimpleNamespace(_consumer=SimpleNamespace(_coordinator=self, _fetcher=fetcher))

    async def _trip(self) -> None:
        await pause(self.dice.uniform(0, self.seconds))

    # --- what Faust's consumer offers -----------------------------------------------------------

    async def seek_wait(self, partitions: Mapping[Any, int]) -> None:
        """A seek takes effect at once, a while after it was asked for."""
        await self._trip()
        for tp, offset in partitions.items():
            if tp not in self._positions:
                raise IllegalStateError(f"{tp} is not assigned")
            self._positions[TP(*tp)] = offset

    async def earliest_offsets(self, *tps: Any) -> dict[Any, int]:
        """Where partitions begin."""
        await self._trip()
        return {tp: self.broker.log(*tp).begins for tp in tps}

    async def highwaters(self, *tps: Any) -> dict[Any, int]:
        """Where they end."""
        await self._trip()
        return {tp: self.broker.log(*tp).end for tp in tps}

    def highwater(self, tp: Any) -> int:
        """The same, from memory."""
        if tp not in self._positions:
            raise IllegalStateError(f"{tp} is not assigned")
        return self.broker.log(*tp).end

    def assignment(self) -> set[Any]:
        """What is assigned."""
        return set(self._positions)

    def stop_flow(self) -> None:
        """Fetch no more."""
        self.flow_active = False
        self._can_resume.clear()

    def resume_flow(self) -> None:
        """Fetch on."""
        self.flow_active = True
        self._can_resume.set()

    def pause_partitions(self, tps: set[Any]) -> None:
        """In place: a poll that is under way looks at the same set."""
        self._active.difference_update(tps)

    def resume_partitions(self, tps: set[Any]) -> None:
        """In place."""
        self._active.update(tps)

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """What Faust does after us."""
        self._active.difference_update(revoked)
        if self._positions:
            self.stop_flow()
            self.stream.clear()
        await self._trip()

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        """The same; the recovery service takes over when this is done."""
        self._active.clear()
        self._active.update(assigned)
        await self._trip()
        self._active.difference_update(assigned)
        self.app.assigned = assigned
        await self._trip()
        self.app.recovery.on_rebalance(generation_id)

    async def commit(self) -> bool:
        """What has been acknowledged so far."""
        offsets, self._acked_to = self._acked_to, {}
        generation = self.app.consumer_generation_id
        return self.coordinator.commit(self.life.name, self.number, generation, offsets)

    async def callback(self, message: Any) -> None:
        """To the agent, by way of the conductor."""
        self._unacked_messages.add(message)

        def ack() -> None:
            self._unacked_messages.discard(message)
            self._acked_to[message.partition] = message.value[-1].offset + 1

        self.stream.put(message, ack)

    async def _wait_next_records(self, timeout: float) -> tuple[Mapping[Any, Sequence[Any]], None]:  # noqa: ASYNC109
        """One poll, of what is active."""
        if not self.flow_active:
            await self._can_resume.wait()
        if not self._active:
            await pause(1)
            return {}, None
        return await self._getmany(self._active, timeout), None

    async def _getmany(self, active: set[Any] | None, timeout: float) -> dict[Any, Sequence[Any]]:  # noqa: ASYNC109
        """What is fetched belongs to active partitions; if there are none, to any of them."""
        await self._trip()
        found = self._fetch(active)
        if not found:
            await self.broker.news(timeout_seconds=timeout)
            await self._trip()
            found = self._fetch(active)
        return found

    def _fetch(self, active: set[Any] | None) -> dict[Any, Sequence[Any]]:
        found: dict[Any, Sequence[Any]] = {}
        if not self.flow_active:
            return found
        for tp in sorted(active or self._positions):
            if tp not in self._positions:
                continue
            log = self.broker.log(*tp)
            self._positions[tp] = max(self._positions[tp], log.begins)
            records = log.read(self._positions[tp], self.fetch_max)
            if records:
                found[tp] = records
                self._positions[tp] = records[-1].offset + 1
        return found

    # --- membership -------------------------------------------------------------------------------

    async def belong(self) -> None:
        """Join, work, and join again, until the process ends."""
        name, app = self.life.name, self.app
        beat = self.coordinator.session_seconds / 10
        while True:
            joined = self.coordinator.join(name, self.number)
            if joined is None:
                self.number = self.coordinator.enter(name)
                continue
            assigned = await joined
            await self._trip()
            app.consumer_generation_id = assigned.generation
            topics = (app.options.log_topic, app.options.state_topic)
            tps = {TP(topic, number) for topic in topics for number in sorted(assigned.partitions)}
            committed = self.coordinator.committed
            self._positions = {tp: committed.get(tp.partition, 0) if tp.topic == topics[0] else 0 for tp in sorted(tps)}
            await self.on_partitions_assigned(tps, assigned.generation)
            while await self._do_heartbeat() and self._answer == "ok":
                await self.commit()
                await pause(self.dice.uniform(0.5, 1) * beat)
            app.rebalancing = True
            self.broker.note(f"{name} hears: {self._answer}")
            beating = asyncio.create_task(self._keep_beating(beat))
            await self.on_partitions_revoked(set(self._positions))
            beating.cancel()
            self._positions = {}

    async def _do_heartbeat(self) -> bool:
        """As the client has it: a rebalance under way is a good answer, too."""
        await self._trip()
        self._answer = self.coordinator.heartbeat(self.life.name, self.number)
        await self._trip()
        return self._answer != "unknown"

    async def _keep_beating(self, seconds: float) -> None:
        """Heartbeats go on while partitions are being revoked."""
        while await self._do_heartbeat():
            await pause(seconds)


class SimulatedConsumer(EngineConsumer, FaustSide):  # type: ignore[misc, override]
    """The engine's consumer on the simulated side of Faust."""


class Recovery:
    """Faust's recovery service, as far as rebalances can interrupt it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.signal_recovery_start, self.signal_recovery_end = asyncio.Event(), asyncio.Event()
        self.active_tps: set[Any] = set()
        self.active_offsets: dict[Any, int] = {}
        self.active_highwaters: dict[Any, int] = {}
        self._generation = 0
        self._rebuild = _rebuilder(app)  # type: ignore[arg-type]

    def need_recovery(self) -> bool:
        """Is there more of the changelog than is known?"""
        known = self.active_offsets
        return any(end > known[tp] for tp, end in self.active_highwaters.items() if tp in known)

    def on_rebalance(self, generation: int) -> None:
        """Partitions have been assigned."""
        app = self.app
        if generation != app.consumer_generation_id:
            return
        self.active_tps.clear()
        self.active_tps.update(tp for tp in app.assigned if tp.topic == app.options.state_topic)
        self.active_offsets = {
            tp: kept for tp in sorted(self.active_tps) if (kept := app.store.kept_offset(tp.partition)) is not None
        }
        self.signal_recovery_start.set()
        self._generation = generation

    async def run(self) -> None:
        """One recovery after the other."""
        while True:
            await self.signal_recovery_start.wait()
            self.signal_recovery_start.clear()
            generation = self._generation
            try:
                self.app.in_recovery = True
                await self._recover()
                if not self.signal_recovery_start.is_set():
                    await self._wait(self._completed(generation))
            except (RebalanceAgain, IllegalStateError):
                continue

    async def _recover(self) -> None:
        consumer = self.app.consumer
        tps = sorted(self.active_tps)
        ends = await self._wait(consumer.highwaters(*tps))
        self.active_highwaters = {tp: end - 1 for tp, end in ends.items()}
        begins = await self._wait(consumer.earliest_offsets(*tps))
        for tp, first in begins.items():
            self.active_offsets[tp] = max(self.active_offsets.get(tp, -1), first - 1)
        await self._wait(consumer.seek_wait({tp: max(0, self.active_offsets[tp]) for tp in tps}))
        if self.signal_recovery_start.is_set():
            return
        needed = self.need_recovery()
        if needed:
            consumer.resume_partitions(self.active_tps)
        consumer.resume_flow()
        if needed:
            await self._wait(self.signal_recovery_end.wait())
            consumer.pause_partitions(self.active_tps)
        else:
            self.app.in_recovery = False

    async def _completed(self, generation: int) -> None:
        """An interrupted wait leaves the rebuild that it waited for running."""
        app, consumer = self.app, self.app.consumer
        app.in_recovery = False
        await asyncio.wait([asyncio.ensure_future(self._rebuild())])
        if app.consumer_generation_id != generation:
            return
        log = {tp for tp in consumer.assignment() if tp.topic == app.options.log_topic}
        consumer.resume_partitions(log)
        if consumer.assignment():
            await self._wait(consumer.perform_seek())
        consumer.resume_flow()
        app.rebalancing = False

    async def _wait(self, work: Any) -> Any:
        task, again = asyncio.ensure_future(work), asyncio.ensure_future(self.signal_recovery_start.wait())
        try:
            await asyncio.wait([task, again], return_when=asyncio.FIRST_COMPLETED)
            if again.done():
                raise RebalanceAgain
            return task.result()
        finally:
            task.cancel()
            again.cancel()


def agent(app: App) -> Any:
    """The engine's agent on its stream, to be run."""
    return _taker(app)(app.consumer.stream)  # type: ignore[arg-type]
