"""`cartwheel feed`: a file of events into the raw topic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from agents import stack
from agents.cli.options import takes_console, takes_settings
from agents.console import Console, counted
from agents.feed import Fed, feed
from agents.replay_file import RefusedLine
from agents.settings import Settings
from schemas.command import Clock
from schemas.topics import topics

REFUSED_SHOWN = 20


@click.command()
@click.option(
    "--events",
    "path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines, plain or gzip; see docs/reference/events.md.",
)
@click.option(
    "--clock",
    required=True,
    type=click.Choice(get_args(Clock)),
    help="carried: time is what the lines say. live: they happen now. The log must have that clock.",
)
@click.option("--strict", is_flag=True, help="Stop at the first line that cannot be taken.")
@takes_settings
@takes_console
def command(*, settings: Settings, console: Console, path: Path, clock: Clock, strict: bool) -> None:
    """Write events and watermarks to the raw topic, in the order of the file.

    Lines that cannot be taken are named and left out; the rest is written.
    """
    columns = (TextColumn("feeding"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console.err, transient=True, disable=not console.err.is_terminal) as bar:
        task = bar.add_task("", total=path.stat().st_size)
        work = _feed(settings, console, path, clock=clock, strict=strict, bar=lambda at: bar.update(task, completed=at))
        fed = asyncio.run(work)
    counts = [counted(fed.events, "event"), counted(fed.watermarks, "watermark")]
    counts.append(f"{counted(fed.refused, 'line')} refused")
    early = f", {counted(fed.early, 'line')} out of order" if fed.early else ""
    console.result(asdict(fed), f"fed {', '.join(counts)}{early}")


async def _feed(
    settings: Settings, console: Console, path: Path, *, clock: Clock, strict: bool, bar: Callable[[int], None]
) -> Fed:
    kafka = stack.kafka_address(settings)
    await stack.wait_for_kafka(kafka, say=console.say)
    declared = topics(settings.namespace, partitions=settings.partitions)
    refusals = 0

    def name(line: RefusedLine) -> None:
        nonlocal refusals
        refusals += 1
        if refusals <= REFUSED_SHOWN:
            console.say(f"{path} line {line.number}: {line.refused}")
        elif refusals == REFUSED_SHOWN + 1:
            console.say("more such lines are counted, not named")

    return await feed(kafka, declared, path, clock=clock, strict=strict, refused=name, progress=bar)
