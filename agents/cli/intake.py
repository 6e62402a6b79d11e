"""`cartwheel intake`: raw records to the profile log."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import click
import uvloop

from agents import intake, kill_points, stack
from agents.cli.options import takes_settings
from agents.console import Console
from agents.metrics_page import metrics_page
from agents.settings import Settings
from agents.topics_admin import require_log_identity
from schemas.topics import topics


@click.command()
@click.option(
    "--report-ms",
    type=click.IntRange(min=20, max=2_000),
    default=100,
    show_default=True,
    help="How often progress is written while nothing comes, which bounds how late reminders may be.",
)
@takes_settings
def command(*, settings: Settings, report_ms: int) -> None:
    """Judge raw records, forward the good ones to the profile log, and write how far it is.

    What cannot be taken goes to the dead letters with its reason. Several may run: they share the raw partitions.
    SIGTERM or Ctrl-C ends it after what is in hand.
    """
    kill_points.arm(os.environ.get(kill_points.VARIABLE))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    kafka, metrics = stack.kafka_address(settings), intake.Metrics()
    with (
        metrics_page(metrics.registry, port=settings.intake_metrics) as url,
        stack.announced(settings.home, "intake", metrics_url=url),
    ):
        uvloop.run(_until_signaled(settings, kafka, metrics, url=url, report_seconds=report_ms / 1000))


async def _until_signaled(
    settings: Settings, kafka: str, metrics: intake.Metrics, *, url: str, report_seconds: float
) -> None:
    stop, say = asyncio.Event(), Console().say
    await stack.wait_for_kafka(kafka, say=say)
    identity = await require_log_identity(kafka, topics(settings.namespace))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    say(f"intake: running on a {identity.clock} clock, metrics at {url}")
    await intake.run(
        kafka=kafka,
        namespace=settings.namespace,
        clock=identity.clock,
        metrics=metrics,
        stop=stop,
        report_seconds=report_seconds,
    )
