"""`cartwheel flows list`, `show` and `diff`: what is published."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson
from rich.console import Group
from rich.table import Table
from rich.text import Text

from agents.cli.flows_publish import VERSION_SHOWN, opened
from agents.cli.options import takes_console, takes_plugins, takes_settings
from agents.console import Console, counted
from agents.definitions.book import NOTHING, Book, read_book
from agents.errors import InputRefused
from agents.flow_diff import differences
from agents.flow_files import load_flows
from agents.settings import Settings
from schemas.flow import Flow
from streams.flowfile import durations
from streams.plugins import Name, Plugin

COLORS = {"live": "green", "shadow": "cyan", "draining": "yellow", "held": "yellow", "stopped": "red"}


@click.command("list")
@takes_settings
@takes_console
def list_(*, settings: Settings, console: Console) -> None:
    """Show which flows are published, in which version, and whether they run."""
    book = asyncio.run(_book(settings, console))
    order = book.order(book.newest)
    table = Table("flow", "status", "version", "published (UTC)", "by", "older", box=None, pad_edge=False)
    flows = []
    for name, active in sorted(order.flows.items()):
        newest, *older = active.versions
        definition = book.definition(name, newest)
        table.add_row(
            Text(name), Text(active.status, COLORS[active.status]), newest[:VERSION_SHOWN],
            definition.at[:16].replace("T", " "), Text(definition.by), str(len(older)),
        )  # fmt: skip
        flows.append({"name": name, **msgspec.to_builtins(active), "published_at": definition.at, "by": definition.by})
    line = f"activation {book.newest}, ordered {order.at} by {order.by}"
    shown = Group(table, "", line) if book.newest != NOTHING else "no flow is active; `cartwheel flows publish`"
    console.result({"activation": book.newest, "at": order.at, "by": order.by, "flows": flows}, shown)


@click.command()
@click.argument("name", metavar="NAME[@VERSION]")
@click.option("--compiled", is_flag=True, help="The compiled form, as JSON.")
@takes_settings
@takes_console
def show(*, settings: Settings, console: Console, name: str, compiled: bool) -> None:
    """Show a published flow as it was written; the newest version, or one of which the first characters are given."""
    book = asyncio.run(_book(settings, console))
    flow, version = _named(book, name)
    definition = book.definition(flow, version)
    data = orjson.loads(bytes(definition.flow))
    active = book.order(book.newest).flows.get(flow)
    said = {
        "name": flow,
        "version": version,
        "status": None if active is None else active.status,
        "newest": active is not None and active.versions[0] == version,
        "published_at": definition.at,
        "by": definition.by,
        "versions": book.versions_of(flow),
        "source": definition.source,
        "compiled": data,
    }
    text = orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() if compiled else definition.source.rstrip("\n")
    console.result(said, text)


@click.command()
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@takes_plugins
@takes_settings
@takes_console
def diff(*, settings: Settings, console: Console, plugins: Mapping[Name, Plugin], before: str, after: str) -> int:
    """Say what two versions differ in; exit code 1 if they do. Each is NAME[@VERSION], or a flow file."""
    book = None if _is_file(before) and _is_file(after) else asyncio.run(_book(settings, console))
    flows = [_flow(book, one, plugins) for one in (before, after)]
    found = differences(*flows)
    shown = Text()
    for one in found:
        shown.append(f"{one.path}\n", "bold")
        for mark, value, color in (("-", one.before, "red"), ("+", one.after, "green")):
            if value is not None:
                shown.append(f"  {mark} {_said(value, of=one.path)}\n", color)
    shown.append(counted(len(found), "difference") if found else "no difference", "bold")
    versions = {"before": flows[0].version, "after": flows[1].version}
    console.result({**versions, "differences": [one._asdict() for one in found]}, shown)
    return 1 if found else 0


async def _book(settings: Settings, console: Console) -> Book:
    kafka, declared, _ = await opened(settings, console)
    return await read_book(kafka, declared)


def _is_file(word: str) -> bool:
    return word.endswith((".yaml", ".yml")) or "/" in word


def _flow(book: Book | None, word: str, plugins: Mapping[Name, Plugin]) -> Flow:
    """Raises InputRefused for what is neither published nor one flow in a file."""
    if book is not None and not _is_file(word):
        return book.flow(*_named(book, word))
    flows = load_flows(Path(word), plugins)
    if len(flows) != 1:
        raise InputRefused(f"{word} holds {len(flows)} flows", next_step="name a file with one flow")
    return flows[0]


def _named(book: Book, word: str) -> tuple[str, str]:
    """Flow and version. Raises InputRefused unless the word means exactly one."""
    name, _, prefix = word.partition("@")
    known = book.versions_of(name)
    active = book.order(book.newest).flows.get(name)
    if not prefix and active is not None:
        return name, active.versions[0]
    found = [version for version in known if version.startswith(prefix)] if prefix else known[-1:]
    if len(found) != 1:
        what = f"{len(found)} versions of {name} begin with {prefix}" if known else f"no flow {name!r} is published"
        raise InputRefused(what, next_step="`cartwheel flows list` shows the flows, `flows show NAME --json` versions")
    return name, found[0]


def _said(value: Any, *, of: str) -> str:
    if of.endswith("ms") and isinstance(value, int):
        return durations.written(value)  # `for: 2h` is what its author wrote
    return value if isinstance(value, str) else orjson.dumps(value).decode()
