"""`cartwheel flows publish`, and `hold`, `resume`, `stop` and `drain`: orders about which flows decide."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents import stack, topics_admin
from agents.cli.options import takes_console, takes_plugins, takes_settings
from agents.console import Console
from agents.definitions.book import Book, read_book
from agents.definitions.changes import Change, Make, Verb, publishing, turning
from agents.definitions.desk import carry_out, stamp
from agents.flow_files import policy_beside, sound_flows
from agents.settings import Settings
from schemas.activation import ActiveFlow
from schemas.command import Clock
from schemas.topics import Topics, topics
from streams.plugins import Name, Plugin

VERSION_SHOWN = 12  # characters, enough to tell versions apart
COLORS = {"new": "green", "changed": "green", "status": "yellow", "draft": "dim", "unchanged": "dim"}
CARRIED = "this log has a carried clock: partitions that have begun keep the flows that they began with"


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would change.")
@takes_plugins
@takes_settings
@takes_console
def publish(*, settings: Settings, console: Console, path: Path, dry_run: bool, plugins: Mapping[Name, Plugin]) -> None:
    """Make a flow file, or all of a folder, the newest versions of their flows.

    The policy beside them is published too. Whoever is in a flow already goes on in the version that they entered.
    Flows that are published and not among these stay as they are. The status in a file counts when it is another one
    than at the last time, so that a flow which was held since stays held. Done twice, it is done once.
    """
    files = sound_flows(path, plugins)
    for finding in (finding for file in files for finding in file.findings):
        console.say(str(finding))
    book, changes, clock = asyncio.run(
        _order(settings, console, publishing(files, policy_beside(path), plugins=plugins), dry_run=dry_run)
    )
    others = sorted(set(book.order(book.newest).flows) - {change.flow for change in changes})
    lines: list[RenderableType] = [_table(changes)]
    lines += [f"{change.flow}: who is in version {_short(version)} goes on in the newest one"
              for change in changes for version in change.dropped]  # fmt: skip
    lines += [f"published before, not in {path}, and as they were: {', '.join(others)}"] if others else []
    lines += [CARRIED] if clock == "carried" else []
    lines.append(_summary(book, changes, dry_run=dry_run))
    console.result(_as_data(book, changes, dry_run=dry_run) | {"others": others}, Group(*lines))


@click.command()
@click.argument("name")
@takes_settings
@takes_console
def hold(*, settings: Settings, console: Console, name: str) -> None:
    """Let nothing of a flow happen for now. People enter it and leave it, and their timers are kept."""
    _turn(settings, console, name, "hold")


@click.command()
@click.argument("name")
@takes_settings
@takes_console
def resume(*, settings: Settings, console: Console, name: str) -> None:
    """Let a flow go on that was held, drained or stopped. What is overdue by then is judged by `when_late`."""
    _turn(settings, console, name, "resume")


@click.command()
@click.argument("name")
@takes_settings
@takes_console
def stop(*, settings: Settings, console: Console, name: str) -> None:
    """End a flow for everybody in it: nothing of it is sent any more, and they do not come back when it is resumed."""
    _turn(settings, console, name, "stop")


@click.command()
@click.argument("name")
@takes_settings
@takes_console
def drain(*, settings: Settings, console: Console, name: str) -> None:
    """Take nobody new into a flow; who is in it goes on to the end."""
    _turn(settings, console, name, "drain")


def _turn(settings: Settings, console: Console, name: str, verb: Verb) -> None:
    book, changes, clock = asyncio.run(_order(settings, console, turning(name, verb), dry_run=False))
    lines: list[RenderableType] = [
        _table(changes),
        *([CARRIED] if clock == "carried" else []),
        _summary(book, changes, dry_run=False),
    ]
    console.result(_as_data(book, changes, dry_run=False), Group(*lines))


async def _order(
    settings: Settings, console: Console, make: Make, *, dry_run: bool
) -> tuple[Book, tuple[Change, ...], Clock]:
    kafka, declared, clock = await opened(settings, console)
    if dry_run:
        book = await read_book(kafka, declared)
        return book, make(book, stamp()).changes, clock
    return *await carry_out(kafka, declared, make), clock


async def opened(settings: Settings, console: Console) -> tuple[str, Topics, Clock]:
    """Kafka, the topics, and the kind of clock of the log. Raises CheckFailed if there is none."""
    kafka = stack.kafka_address(settings)
    await stack.wait_for_kafka(kafka, say=console.say)
    declared = topics(settings.namespace, partitions=settings.partitions)
    return kafka, declared, (await topics_admin.require_log_identity(kafka, declared)).clock


def _table(changes: Iterable[Change]) -> Table:
    table = Table("flow", "what", "version", "status", box=None, pad_edge=False)
    for change in changes:
        versions = _between(change, lambda one: _short(one.versions[0]))
        statuses = _between(change, lambda one: one.status)
        table.add_row(Text(change.flow), Text(change.what, COLORS[change.what]), versions, statuses)
    return table


def _between(change: Change, of: Any) -> str:
    before, after = (None if one is None else of(one) for one in (change.before, change.after))
    return after or "" if before is None or before == after else f"{before} -> {after}"


def _short(version: str) -> str:
    return version[:VERSION_SHOWN]


def _summary(book: Book, changes: Iterable[Change], *, dry_run: bool) -> Text:
    count = sum(change.what in ("new", "changed", "status") for change in changes)
    if not count:
        return Text("nothing to change", "bold green")
    if dry_run:
        return Text(f"{count} would change", "bold yellow")
    return Text(f"{count} changed: activation {book.newest}, in force where a worker runs", "bold green")


def _as_data(book: Book, changes: Iterable[Change], *, dry_run: bool) -> dict[str, Any]:
    return {"activation": book.newest, "dry_run": dry_run, "flows": [_change(change) for change in changes]}


def _change(change: Change) -> dict[str, Any]:
    return {
        "name": change.flow,
        "what": change.what,
        "before": _active(change.before),
        "after": _active(change.after),
        "dropped": list(change.dropped),
    }


def _active(active: ActiveFlow | None) -> Any:
    return None if active is None else msgspec.to_builtins(active)
