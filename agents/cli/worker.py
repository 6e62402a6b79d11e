"""`cartwheel worker`: turn the profile log into commands and decisions."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import click
import uvloop
from prometheus_client import CollectorRegistry

from agents import kill_points, stack, topics_admin
from agents.cli.options import takes_plugins, takes_settings, takes_stops
from agents.console import Console
from agents.definitions.book import NOTHING
from agents.definitions.changes import Make, publishing
from agents.definitions.desk import carry_out
from agents.faust_engine import end_process
from agents.flow_files import policy_beside, sound_flows
from agents.metrics_page import metrics_page
from agents.settings import Settings
from agents.worker import process
from agents.worker.health import STALL_SECONDS_MAX, Health
from agents.worker.partitions import Work
from agents.worker.repeats import Repeats
from schemas.topics import topics
from streams.plugins import Name, Plugin

log = logging.getLogger("cartwheel.worker")


@click.command()
@click.option(
    "--flows",
    "flows_path",
    type=click.Path(exists=True, path_type=Path),
    help="A flow file, or a folder of flow files: publish them first, where they are not what is published.",
)
@takes_plugins
@takes_stops
@click.option(
    "--instance",
    metavar="NAME",
    help="Name of this worker, the same after a restart; two workers on one machine need two [name of the machine].",
)
@click.option(
    "--static/--dynamic",
    default=True,
    show_default=True,
    help="Static: a stopped worker keeps its partitions for a session, and has them at once when it comes back.",
)
@click.option(
    "--session-seconds",
    type=click.FloatRange(6, 300),
    default=30.0,
    show_default=True,
    help="Silence after which the partitions of this worker go to another one.",
)
@click.option("--state-batch-bytes", type=click.IntRange(1), hidden=True, help="For tests: many small batches.")
@click.option("--stall-seconds", type=float, default=STALL_SECONDS_MAX, hidden=True, help="For tests: less patience.")
@takes_settings
def command(
    *,
    settings: Settings,
    flows_path: Path | None,
    plugins: Mapping[Name, Plugin],
    resume_stopped: tuple[tuple[int, int], ...],
    instance: str | None,
    static: bool,
    session_seconds: float,
    state_batch_bytes: int | None,
    stall_seconds: float,
) -> None:
    """Keep one state per profile, run flows over it, and order messages when their moment has come.

    SIGTERM or Ctrl-C ends it after what is in flight; killing it is safe at any time. The line READY says that it owns
    partitions and reads them.
    """
    kill_points.arm(os.environ.get(kill_points.VARIABLE))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("cartwheel").setLevel(logging.INFO)
    # Here what the client says tells an operator why partitions come and go; repeated lines are counted.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Repeats())
    files = [] if flows_path is None else sound_flows(flows_path, plugins)
    policy = None if flows_path is None else policy_beside(flows_path)
    # By policy, not by runner: Faust reads from Kafka on a thread of its own, which asks the policy for its loop.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

    async def work() -> None:
        options = await _options(
            settings,
            publishing(files, policy, plugins=plugins),
            plugins=plugins,
            registry=registry,
            health=health,
            resumed=frozenset(resume_stopped),
            instance=instance or socket.gethostname(),
            static=static,
            session_seconds=session_seconds,
            state_batch_bytes=state_batch_bytes,
        )
        await process.run(options)

    registry, health = CollectorRegistry(), Health(fail=end_process, stall_seconds=stall_seconds)
    with (
        metrics_page(registry, port=settings.worker_metrics, pages=health.pages()) as metrics_url,
        stack.announced(settings.home, "worker", metrics_url=metrics_url),
    ):
        asyncio.run(work())


async def _options(
    settings: Settings,
    make: Make,
    *,
    plugins: Mapping[Name, Plugin],
    registry: CollectorRegistry,
    health: Health,
    resumed: frozenset[tuple[int, int]],
    instance: str,
    static: bool,
    session_seconds: float,
    state_batch_bytes: int | None,
) -> process.WorkerOptions:
    kafka = stack.kafka_address(settings)
    await stack.wait_for_kafka(kafka, say=Console().say)
    declared = topics(settings.namespace, partitions=settings.partitions)
    if differences := await topics_admin.check(kafka, declared):
        raise topics_admin.refusal(differences)
    identity = await topics_admin.require_log_identity(kafka, declared)
    book, changes = await carry_out(kafka, declared, make, plugins=plugins)
    for change in changes:
        log.info("flow %s: %s", change.flow, change.what)
    if book.newest == NOTHING:
        log.warning("no flow is active yet; `cartwheel flows publish` makes one so")
    return process.WorkerOptions(
        kafka=kafka,
        namespace=settings.namespace,
        topics=declared,
        work=Work(
            book=book,
            topic=declared.profile_log.name,
            clock=identity.clock,
            incarnation=identity.incarnation,
            resumed=resumed,
            state_version=settings.state_version,
        ),
        folder=settings.home / "worker",
        instance=instance,
        static=static,
        registry=registry,
        health=health,
        session_seconds=session_seconds,
        state_batch_bytes=state_batch_bytes,
    )
