"""`cartwheel status`: the local stack, the processes that run from this home, and the partitions they work on."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import click
import msgspec

from agents import stack
from agents.cli.options import takes_console, takes_settings
from agents.cli.status_tables import draw
from agents.cluster_view import look_at_cluster
from agents.console import Console
from agents.settings import Settings
from agents.worker.pages import WorkerPage, read_pages
from schemas.topics import topics


@click.command()
@click.option("--cluster", is_flag=True, help="Ask Kafka as well: every partition, its owner and how far it is.")
@takes_settings
@takes_console
def command(*, settings: Settings, console: Console, cluster: bool) -> None:
    """Show Kafka and PostgreSQL, the processes that run from this home, and how the workers among them are doing.

    Workers tell it themselves: partitions, lag, pending and overdue timers, recovery, stopped partitions. With
    --cluster Kafka is asked, which also knows of workers on other machines, but not how many timers there are.
    """
    services, members = stack.status(settings), stack.members(settings.home)
    workers = read_pages(members)
    seen = None
    if cluster:
        declared = topics(settings.namespace, partitions=settings.partitions)
        asked = look_at_cluster(stack.kafka_address(settings), declared, group=f"{settings.namespace}.worker")
        seen = asyncio.run(asked)
    data = {
        "services": [asdict(service) for service in services],
        "processes": [
            {"name": member.name, "pid": member.running.pid, "metrics_url": member.metrics_url} for member in members
        ],
        "workers": [_told(worker) for worker in workers],
        "cluster": None if seen is None else [msgspec.to_builtins(one) for one in seen],
    }
    console.result(data, draw(services, members, workers, seen))


def _told(worker: WorkerPage) -> dict[str, Any]:
    told: dict[str, Any] = {"pid": worker.member.running.pid, "answers": worker.report is not None}
    if worker.report is not None:
        told |= {"why_not_ready": worker.report.why_not_ready(), **msgspec.to_builtins(worker.report)}
    return told
