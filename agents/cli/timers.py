"""`cartwheel timers`: how many timers will fire when."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import click
from rich.table import Table

from agents import stack, topics_admin
from agents.cli.options import takes_console, takes_settings
from agents.cluster_view import offsets_of, partition_records
from agents.console import Console
from agents.forecast import Forecast, forecast_partition, windows
from agents.settings import Settings
from schemas import codec
from schemas.topics import Topics, topics

HEADINGS = ("overdue", "next hour", "next day", "next 30 days", "later", "all")


@click.group()
def command() -> None:
    """How many timers will fire when."""


@command.command()
@takes_settings
@takes_console
def forecast(*, settings: Settings, console: Console) -> None:
    """Count the timers that are due within the next hour, day and 30 days, flow by flow.

    Reads all of the state topic; no worker needs to run, and none is disturbed. The next hour is part of the next day.
    On a log with a carried clock, now is the time of the log.
    """
    kafka = stack.kafka_address(settings)
    found = asyncio.run(_forecast(kafka, topics(settings.namespace, partitions=settings.partitions), console=console))
    flows = sorted({flow for flow, _ in found.waits})
    counts = {flow: windows(item for item in found.waits.items() if item[0][0] == flow) for flow in flows}
    total = windows(found.waits.items())
    table = Table("flow", box=None, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for flow, row in (*counts.items(), ("all", total)):
        table.add_row(flow, *(f"{count:,}" for count in row.values()), style="bold" if row is total else "")
    data: dict[str, Any] = {"profiles": found.profiles, "flows": counts, "total": total}
    console.result(data, table)


async def _forecast(kafka: str, declared: Topics, *, console: Console) -> Forecast:
    await stack.wait_for_kafka(kafka, say=console.say)
    await topics_admin.require_log(kafka, declared)
    identity = await topics_admin.require_log_identity(kafka, declared)
    topic = declared.profile_state
    offsets = await offsets_of(kafka, topic)
    records = await partition_records(kafka, topic, offsets)
    waits: Counter[tuple[str, int]] = Counter()
    profiles = done = 0
    total = sum(one.end - one.first for one in offsets.values())
    with console.working(f"reading {topic.name}") as working:
        for number, one in offsets.items():
            now_at = time.time_ns() // 1_000_000
            if identity.clock == "carried":
                now_at = codec.unpack_partition(records[number]).now_at if number in records else 0
            async for seen in forecast_partition(
                kafka, topic.name, number, first=one.first, end=one.end, now_at=now_at
            ):
                if isinstance(seen, Forecast):
                    waits += seen.waits
                    profiles += seen.profiles
                else:
                    working.update(f"reading {topic.name}: {done + seen:,} of at most {total:,} records")
            done += one.end - one.first
    return Forecast(waits, profiles)
