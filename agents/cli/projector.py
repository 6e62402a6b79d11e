"""`cartwheel projector`: decisions into PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import click
import uvloop

from agents import kill_points, projector, stack
from agents.cli.options import takes_settings
from agents.console import Console
from agents.settings import Settings


@click.command()
@takes_settings
def command(*, settings: Settings) -> None:
    """Copy decisions into PostgreSQL, where `cartwheel why` and `cartwheel why-not` look them up.

    Several may run; each takes its share of the partitions. SIGTERM or Ctrl-C ends it after the batch in hand.
    """
    kill_points.arm(os.environ.get(kill_points.VARIABLE))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("cartwheel").setLevel(logging.INFO)
    addresses = stack.resolve(settings)
    options = projector.Options(
        home=settings.home,
        namespace=settings.namespace,
        partitions=settings.partitions,
        kafka=addresses.kafka,
        postgres=addresses.postgres,
        metrics_port=settings.projector_metrics,
    )
    uvloop.run(_until_signaled(options))


async def _until_signaled(options: projector.Options) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await projector.run(options, stop=stop, say=Console().say)
