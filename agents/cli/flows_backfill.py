"""`cartwheel flows backfill`: people enter a flow by events of long ago, which a file tells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
from msgspec import Raw
from rich.console import Group
from rich.table import Table
from rich.text import Text

from agents.backfilling import OUTCOMES, Anchor, Candidate, candidates, count
from agents.cli.flows_publish import VERSION_SHOWN, opened
from agents.cli.options import takes_console, takes_settings
from agents.console import Console
from agents.definitions.book import read_book
from agents.definitions.desk import stamp
from agents.errors import InputRefused
from agents.outgoing import partition_of
from agents.relocation import write_all
from agents.replay_file import EventLine, RefusedLine, read_lines
from agents.settings import Settings
from schemas import codec
from schemas.activation import Backfill
from schemas.control import BACKFILL_KEY
from schemas.flow import Flow
from schemas.topics import Topics
from streams.flowfile import durations
from streams.program import ADMITTING

PER_SECOND = 200.0
SHOWN_REFUSALS = 10


class Span(click.ParamType):
    """A duration such as 30d."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds."""
        found = durations.parse(str(value))
        if found is None:
            self.fail(f"{value!r} is not like 30d or 12h", param, ctx)
        return found


class Plan(NamedTuple):
    """Everybody whom the file is about, and where to tell them."""

    kafka: str
    topics: Topics
    flow: Flow
    anchor: Anchor
    found: list[Candidate]
    refused: int


def takes_plan(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand what `plan` and `run` have in common to a command."""
    for decorate in (
        click.option(
            "--max-overdue", "max_overdue_ms", type=Span(), help="Leave out who would have been due longer ago."
        ),
        click.option(
            "--anchor",
            type=click.Choice(["occurred_at", "now"]),
            default="occurred_at",
            show_default=True,
            help="From when the first wait counts.",
        ),
        click.option(
            "--events",
            type=click.Path(path_type=Path),
            required=True,
            help="Lines of JSON, plain or gzip: all events of these people that the flow looks at.",
        ),
        click.argument("name"),
        takes_settings,
        takes_console,
    ):
        function = decorate(function)
    return function


@click.group()
def backfill() -> None:
    """Let people enter a flow by events of long ago."""


@backfill.command()
@takes_plan
def plan(*, settings: Settings, console: Console, **said: Any) -> None:
    """Count who would be scheduled, who would be due now, and who is left out. Writes nothing."""
    made = asyncio.run(_plan(settings, console, **said))
    console.result(_as_data(made), _shown(made))


@backfill.command()
@takes_plan
@click.option("--per-second", type=click.FloatRange(1, 10_000), default=PER_SECOND, show_default=True, help="At most.")
def run(*, settings: Settings, console: Console, per_second: float, **said: Any) -> None:
    """Let them enter, as `plan` says. Interrupted, start it again: nobody enters twice by one event."""

    async def work() -> tuple[Plan, int]:
        made = await _plan(settings, console, **said)
        orders, written = _orders(made), 0
        with console.working(f"{len(orders):,} people") as working:
            async for written in write_all(made.kafka, made.topics.profile_log.name, orders, per_second=per_second):
                working.update(f"{written:,} of {len(orders):,} people")
        return made, written

    made, ordered = asyncio.run(work())
    line = Text(f"{ordered:,} people were told to enter; the flow's own rules of entry judge them", "bold green")
    console.result(_as_data(made) | {"ordered": ordered}, Group(_shown(made), line))


async def _plan(
    settings: Settings, console: Console, *, name: str, events: Path, anchor: Anchor, max_overdue_ms: int | None
) -> Plan:
    kafka, declared, clock = await opened(settings, console)
    if clock == "carried":
        raise InputRefused("a log with a carried clock takes no backfill", next_step="feed the events themselves")
    book = await read_book(kafka, declared)
    active = book.order(book.newest).flows.get(name)
    if active is None or active.status not in ADMITTING - {"draining"}:
        what = f"no flow {name!r} is active" if active is None else f"the flow {name!r} is {active.status}"
        raise InputRefused(what, next_step="`cartwheel flows list` shows which flows take people in")
    lines = list(read_lines(events))
    refused = [line for line in lines if isinstance(line, RefusedLine)]
    for one in refused[:SHOWN_REFUSALS]:
        console.say(f"{events} line {one.number}: {one.refused}")
    flow = book.flow(name, active.versions[0])
    good = [line for line in lines if isinstance(line, EventLine)]
    now = time.time_ns() // 1_000_000
    found = candidates(flow, good, anchor=anchor, max_overdue_ms=max_overdue_ms, now=now)
    return Plan(kafka, declared, flow, anchor, found, len(refused))


def _orders(made: Plan) -> list[tuple[int, bytes, bytes]]:
    at, by = stamp()
    partitions = made.topics.profile_log.partitions
    return [
        (
            partition_of(one.profile, partitions),
            BACKFILL_KEY,
            codec.encode(
                Backfill(
                    profile=one.profile.decode(),
                    flow=made.flow.name,
                    event=Raw(one.event),
                    anchor=made.anchor,
                    by=by,
                    at=at,
                )
            ),
        )
        for one in made.found
        if one.outcome != "left_out"
    ]


def _shown(made: Plan) -> Table:
    table = Table(f"{made.flow.name} {made.flow.version[:VERSION_SHOWN]}", box=None, pad_edge=False)
    table.add_column("people", justify="right")
    for outcome, people in count(made.found).items():
        table.add_row(outcome.replace("_", " "), f"{people:,}")
    if made.refused:
        table.add_row(Text("lines that could not be taken", "red"), f"{made.refused:,}")
    return table


def _as_data(made: Plan) -> dict[str, Any]:
    counts = count(made.found)
    return {
        "flow": made.flow.name,
        "version": made.flow.version,
        "anchor": made.anchor,
        **{outcome: counts[outcome] for outcome in OUTCOMES},
        "refused_lines": made.refused,
    }
