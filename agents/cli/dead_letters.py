"""`cartwheel dead-letters`: look at what could not be taken, and deal with it."""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import click
import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from agents import stack
from agents.cli.dead_letter_shown import drawn, shown_by
from agents.cli.options import takes_console, takes_settings
from agents.console import Console
from agents.dead_letters import shelf
from agents.dead_letters.desk import Order, Outcome, at_the_desk
from agents.dead_letters.shelf import Entry, Filters
from agents.definitions.desk import operator
from agents.errors import InputRefused
from agents.settings import Settings
from agents.topics_admin import require_log_identity
from schemas.dead_letter import DeadLetter, How
from schemas.instants import from_wire
from schemas.refusals import REASONS
from schemas.topics import Topics, topics

SHOWN_MAX = 100
DETAIL_SHOWN = 90
WHOLE = frozenset({"name", "state", "reason", "refused"})  # columns that a narrow terminal must not cut
PER_SECOND = 100.0
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


STAGES = ("intake", "worker", "dispatcher", "projector")


class Since(click.ParamType):
    """A span back from now, or an instant."""

    name = "SPAN|INSTANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds since the epoch."""
        if span := re.fullmatch(r"(\d{1,6})([smhd])", str(value)):
            return _now() - int(span[1]) * _UNITS[span[2]]
        try:
            return from_wire(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a span such as 24h nor an instant with an offset", param, ctx)


def takes_filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand the filters of the command line to a command as `filters`."""

    @click.option("--reason", "reasons", multiple=True, type=click.Choice(list(REASONS)), metavar="WORD", help="Why.")
    @click.option("--stage", type=click.Choice(STAGES), help="Who refused the record.")
    @click.option("--topic", metavar="NAME", help="Where the record came from.")
    @click.option("--since", type=Since(), help="Refused since: 24h, 7d, or an instant.")
    @click.option("--key", metavar="TEXT", help="Key of the record, or the profile that gets no messages for it.")
    @click.option("--any", "dealt_with", is_flag=True, help="Also letters that were replayed or dismissed.")
    @functools.wraps(function)
    def wrapped(*args: Any, reasons: tuple[str, ...], **kwargs: Any) -> Any:
        said = {name: kwargs.pop(name) for name in ("stage", "topic", "since", "key", "dealt_with")}
        return function(*args, filters=Filters(reasons=frozenset(reasons), **said), **kwargs)

    return wrapped


def takes_orders(function: Callable[..., Any]) -> Callable[..., Any]:
    """What replay and dismiss have in common."""
    for decorate in (
        takes_filters,
        click.option("--note", default="", help="Why, for those who come later."),
        click.option(
            "--per-second", type=click.FloatRange(0.1, 10_000), default=PER_SECOND, show_default=True, help="At most."
        ),
        click.option("--dry-run", is_flag=True, help="Write nothing; say what would be written."),
        click.option("--all", "everything", is_flag=True, help="Every open letter."),
        click.argument("names", nargs=-1, metavar="[NAME]..."),
        takes_settings,
        takes_console,
    ):
        function = decorate(function)
    return function


@click.group()
def command() -> None:
    """Look at records that could not be taken, and replay or dismiss them."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1), default=SHOWN_MAX, show_default=True, help="The newest so many.")
@takes_filters
@takes_settings
@takes_console
def list_(*, settings: Settings, console: Console, filters: Filters, limit: int) -> None:
    """Show the newest letters, and count all of them."""
    _, declared = _where(settings)
    found = [entry for entry in asyncio.run(_read(settings, console)) if filters.admits(entry)]
    shown = found[-limit:]
    meant = "letters" if filters.dealt_with else "open letters"
    count = f"{len(shown)} of {len(found)} {meant} on {declared.dead_letters.name}"
    if not filters.dealt_with:
        count += "; --any shows also those that are dealt with"
    data = {"count": len(found), "letters": [_as_json(entry) for entry in shown]}
    console.result(data, Group(_listed(shown), "", count) if shown else count)


def _listed(entries: Iterable[Entry]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("name", "state", "reason", "who", "refused", "detail"):
        table.add_column(title, no_wrap=title in WHOLE)
    for entry in entries:
        letter = entry.letter
        refused = letter.refused_at[:16].replace("T", " ") + " UTC"
        words = (entry.name, entry.state, letter.reason, _who(letter), refused, letter.detail[:DETAIL_SHOWN])
        table.add_row(*map(Text, words))  # as it stands: some of it comes from outside
    return table


@command.command()
@click.argument("name")
@takes_settings
@takes_console
def show(*, settings: Settings, console: Console, name: str) -> None:
    """Show everything that is known of a letter, its bytes, and what was done about it."""

    async def work() -> list[dict[str, Any]]:
        kafka, declared = _where(settings)
        entries = _named(await _read(settings, console), Filters(names=_names((name,), declared), dealt_with=True))
        clock = (await require_log_identity(kafka, declared)).clock
        async with at_the_desk(kafka, declared, clock=clock, order=_order("dismissed", "", 1, dry_run=True)) as desk:
            return [_as_json(entry) | await shown_by(desk, entry) for entry in entries]

    found = asyncio.run(work())
    console.result({"letters": found}, Group(*(part for one in found for part in drawn(one))))


@command.command()
@takes_orders
def replay(**said: Any) -> int:
    """Write records again, to the end of the partition that they came from; each three times at most."""
    return _carry_out("replayed", **said)


@command.command()
@takes_orders
def dismiss(**said: Any) -> int:
    """Say that records will never be taken: their profiles get messages again."""
    return _carry_out("dismissed", **said)


def _carry_out(
    how: How, *, settings: Settings, console: Console, names: tuple[str, ...], filters: Filters, everything: bool,
    note: str, per_second: float, dry_run: bool,
) -> int:  # fmt: skip
    kafka, declared = _where(settings)
    filters = replace(filters, names=_names(names, declared))
    if not (filters or everything):
        raise click.UsageError("name letters, give a filter, or --all")

    async def work() -> list[Outcome]:
        chosen = _named(await _read(settings, console), filters)
        clock = (await require_log_identity(kafka, declared)).clock
        order = _order(how, note, per_second, dry_run=dry_run)
        async with at_the_desk(kafka, declared, clock=clock, order=order) as desk:
            return [outcome async for outcome in desk.deal_with(chosen)]

    outcomes = asyncio.run(work())
    left = [one for one in outcomes if one.left]
    done = [one for one in outcomes if not one.left]
    lines = [f"{one.entry.name}: left as it is: {one.left}" for one in left]
    lines += [f"{one.entry.name}: {one.forecast}" for one in done if dry_run]
    lines.append(f"{len(done)} {'would be ' if dry_run else ''}{how}, {len(left)} left as they are")
    if not outcomes:
        lines = ["no open letter is meant by this; `cartwheel dead-letters list --any` shows all"]
    data = {
        "dry_run": dry_run,
        "done": [_outcome(one, forecast=one.forecast) for one in done],
        "left": [_outcome(one, why=one.left) for one in left],
    }
    console.result(data, "\n".join(lines))
    return 1 if left else 0


def _where(settings: Settings) -> tuple[str, Topics]:
    return stack.kafka_address(settings), topics(settings.namespace, partitions=settings.partitions)


async def _read(settings: Settings, console: Console) -> list[Entry]:
    kafka, declared = _where(settings)
    await stack.wait_for_kafka(kafka, say=console.say)
    await require_log_identity(kafka, declared)
    return await shelf.read(kafka, declared)


def _names(names: tuple[str, ...], declared: Topics) -> frozenset[str]:
    return frozenset(shelf.spelled_out(name, declared) for name in names)


def _named(entries: list[Entry], filters: Filters) -> list[Entry]:
    """Those that are meant. Raises InputRefused for a name that no letter has."""
    unknown = filters.names - {entry.name for entry in entries}
    if unknown:
        raise InputRefused(
            f"there is no letter named {min(unknown)}", next_step="`cartwheel dead-letters list --any` shows the names"
        )
    return [entry for entry in entries if filters.admits(entry)]


def _order(how: How, note: str, per_second: float, *, dry_run: bool) -> Order:
    return Order(how=how, by=operator(), note=note[:2_000], at=_now(), per_second=per_second, dry_run=dry_run)


def _as_json(entry: Entry) -> dict[str, Any]:
    letter = {name: value for name, value in msgspec.to_builtins(entry.letter).items() if name != "value"}
    actions = [msgspec.to_builtins(one) for one in entry.actions]
    return {"name": entry.name, "state": entry.state, "who": _who(entry.letter), **letter, "actions": actions}


def _outcome(one: Outcome, **more: str) -> dict[str, Any]:
    said = {"name": one.entry.name, "profile": one.entry.letter.profile, "written_at": one.written_at}
    return {name: value for name, value in (said | more).items() if value not in (None, "")}


def _who(letter: DeadLetter) -> str:
    return letter.profile or (letter.key or b"").decode(errors="replace").replace("\x00", "")


def _now() -> int:
    return time.time_ns() // 1_000_000
