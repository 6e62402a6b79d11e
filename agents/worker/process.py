"""The worker process: everything it is made of, put together and run until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from agents import garbage, kill_points
from agents.definitions.follower import follow
from agents.faust_engine import Engine, EngineOptions, Written, end_process
from agents.worker.activating import Activator
from agents.worker.collector import ReportCollector
from agents.worker.counted import plugin_labels
from agents.worker.folder import store_folder
from agents.worker.health import Health, Watch
from agents.worker.log_ends import LogEnds
from agents.worker.marks import Marks
from agents.worker.metrics import Metrics
from agents.worker.observer import Observer, Views
from agents.worker.partitions import Partitions, Work
from agents.worker.progress import ProgressFollower
from agents.worker.runtime import register_runtime
from agents.worker.ticker import Ticker
from agents.worker.unit_of_work import Destinations
from schemas.topics import Topics

log = logging.getLogger("cartwheel.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What one worker process is told."""

    kafka: str
    namespace: str
    topics: Topics
    work: Work
    folder: Path
    """Under which every worker of this installation keeps its local store."""
    instance: str
    """Name of this process among the workers of the namespace; the same after a restart."""
    static: bool
    """Keep the partitions for a session while this process is away, instead of giving them up when it stops."""
    registry: CollectorRegistry
    """Where the numbers go; who made it serves it."""
    health: Health
    """Where readiness and liveness are noted, likewise."""
    session_seconds: float = 30.0
    state_batch_bytes: int | None = None
    """Size of a batch of states before compression; `None`: what the producer takes, 256 KiB."""


async def run(options: WorkerOptions) -> None:
    """Work until SIGTERM or SIGINT. Raises Misconfigured if a worker of that name runs; other failures end it.

    Logs `READY` with the partitions whenever it has gained some and reads them.
    """
    root = options.folder / options.namespace
    with store_folder(
        root,
        instance=options.instance,
        incarnation=options.work.incarnation,
        idle_ms_max=options.topics.profile_state.delete_retention_ms or 0,
        clock_ms=clock_ms,
    ) as folder:
        await _run(options, folder, stop=_stop_on_signals(options.health))


async def _run(options: WorkerOptions, folder: Path, *, stop: asyncio.Event) -> None:
    gc.set_threshold(*garbage.THRESHOLDS)
    engine = Engine(_engine_options(options, folder))
    book = options.work.book
    sources = book.program_of(book.newest).policy.sources
    flows = book.order(book.newest).flows
    metrics = Metrics(options.registry, flows=flows, sources=sources, plugins=plugin_labels(book.plugins))
    topics = options.topics
    marks = Marks(raw_partitions=topics.raw.partitions)
    partitions = Partitions(
        engine=engine,
        work=options.work,
        destinations=Destinations.of(topics),
        state_batch_bytes=options.state_batch_bytes,
        metrics=metrics,
        instance=options.instance,
        clock_ms=clock_ms,
        reached=kill_points.reached,
        ready=_say_ready,
        fail=end_process,
    )
    _register(options, folder)
    working = asyncio.create_task(engine.run(partitions.duties(), stop=stop))
    beside = [
        *_timekeeping(options, engine, partitions, marks),
        *_observing(options, engine, partitions, marks),
    ]
    others = [asyncio.create_task(one) for one in beside]
    await asyncio.wait([working, *others], return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        end_process(_failure([working, *others]))
    await working
    for task in others:
        task.cancel()
    log.info("stopped")


def _register(options: WorkerOptions, folder: Path) -> None:
    health, registry = options.health, options.registry
    register_runtime(registry)
    registry.register(health.heart.delays)
    registry.register(
        ReportCollector(
            report=lambda: health.report,
            book=options.work.book,
            topic=options.topics.profile_log.name,
            store=folder,
        )
    )


def _observing(
    options: WorkerOptions, engine: Engine, partitions: Partitions, marks: Marks
) -> Iterator[Coroutine[Any, Any, None]]:
    """The heart, the watch over what stands still, and the report of it all."""
    health = options.health
    health.stalled = engine.stall
    watch = Watch(
        health,
        ends=LogEnds(
            kafka=options.kafka,
            topic=options.topics.profile_log.name,
            beside=[options.topics.progress.name, options.topics.definitions.name],
        ),
        owned=partitions.started,
        unanswered=engine.excuse,
        fail=end_process,
    )
    views = Views(
        owned=partitions.started,
        lag=lambda number, position: engine.lag(number, position=position),
        committed=engine.committed,
        unread_at=watch.unread_at,
        assigned=lambda: engine.is_assigned,
        started=lambda: partitions.is_started,
        stopping=lambda: health.heart.is_stopping,
        remaining=engine.recovery_remaining,
        gaps=lambda: engine.gaps,
        low_water_at=marks.low_water_at,
        instance=options.instance,
        namespace=options.namespace,
        clock=options.work.clock,
        clock_ms=clock_ms,
    )
    yield health.heart.beat()
    yield watch.run()
    yield Observer(views, publish=health.publish).run()


def _timekeeping(
    options: WorkerOptions, engine: Engine, partitions: Partitions, marks: Marks
) -> Iterator[Coroutine[Any, Any, None]]:
    """Following intake's marks and the definitions, and appending ticks and activations. On a carried clock, whose time
    is in the records, only the definitions.
    """
    topics, book = options.topics, options.work.book
    yield follow(options.kafka, topics.definitions.name, book)
    if options.work.clock == "carried":
        return
    append = _appender(engine, topics.profile_log.name)
    follower = ProgressFollower(kafka=options.kafka, topic=topics.progress, marks=marks)
    ticker = Ticker(
        owned=partitions.started,
        marks=marks,
        moved=follower.moved,
        append=append,
        lag=partitions.lag,
        clock_ms=clock_ms,
        reached=kill_points.reached,
        fail=end_process,
    )

    async def tick() -> None:
        await follower.caught_up.wait()
        await ticker.run()

    yield follower.run()
    yield tick()
    yield Activator(owned=partitions.started, book=book, append=append, fail=end_process).run()


def _failure(tasks: Iterable[asyncio.Task[None]]) -> BaseException:
    """Why one of them has ended, which none may."""
    ended = next(task for task in tasks if task.done())
    try:
        return ended.exception() or RuntimeError(f"{ended!r} has ended by itself")
    except asyncio.CancelledError as error:
        return error


def _appender(engine: Engine, topic: str) -> Callable[[int, bytes, bytes], Awaitable[Awaitable[Written]]]:
    async def append(partition: int, key: bytes, value: bytes) -> Awaitable[Written]:
        (batch,) = engine.batches.pack([(key, value)])
        return await engine.batches.send(topic, partition, batch)

    return append


def clock_ms() -> int:
    """The owner's clock: milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def _engine_options(options: WorkerOptions, folder: Path) -> EngineOptions:
    return EngineOptions(
        kafka=options.kafka,
        group=f"{options.namespace}.worker",
        instance=options.instance if options.static else None,
        folder=folder,
        log_topic=options.topics.profile_log.name,
        state_topic=options.topics.profile_state.name,
        partitions=options.topics.profile_log.partitions,
        session_seconds=options.session_seconds,
    )


def _say_ready(numbers: list[int]) -> None:
    # What there is now lives long: looking through it again and again for garbage costs a tenth of all time.
    gc.collect()
    gc.freeze()
    log.info("READY with partitions %s", ",".join(map(str, numbers)) or "none")


def _stop_on_signals(health: Health) -> asyncio.Event:
    """Set at the first SIGTERM or SIGINT; the second one ends the process on the spot, which is safe as well."""
    stop = asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("stopping on %s", signal.Signals(number).name)
        health.heart.stop()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop
