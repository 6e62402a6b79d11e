"""`cartwheel flows backfill`: people enter a flow by events of long ago, which a file tells."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from agents.backfilling import Candidate, Known, choose, known_of
from agents.cli.flows_publish import VERSION_SHOWN, opened
from agents.cli.options import takes_console, takes_plugins, takes_settings
from agents.cli.replay import say_refused
from agents.cluster_view import offsets_of
from agents.console import Console, counted
from agents.definitions.book import read_book
from agents.definitions.desk import stamp
from agents.errors import InputRefused
from agents.foretelling import ENTERING, OUTCOMES, Anchor, Foretold, Outcome, count, foretell, order
from agents.outgoing import partition_of
from agents.relocation import write_all
from agents.replay_file import EventLine, RefusedLine, read_lines
from agents.settings import Settings
from schemas.control import BACKFILL_KEY
from schemas.flow import Flow, Status
from schemas.topics import Topics
from streams.flowfile import durations
from streams.plugins import Name, Plugin
from streams.program import ADMITTING

PER_SECOND = 200.0

#: As the table calls them, and what it says of them.
_NAMES: dict[Outcome, str] = {
    "scheduled": "scheduled",
    "due_now": "send now",
    "not_sent": "nothing to send",
    "left_out": "left out",
    "refused": "refused",
    "entered_before": "in it before",
}
_MEANINGS: dict[Outcome, str] = {
    "scheduled": "they enter, and wait",
    "due_now": "they enter, and a message goes at once",
    "not_sent": "they enter, and it is over at once without a message",
    "left_out": "overdue by more than --max-overdue; not told to enter",
    "refused": "they would not enter; not told to",
    "entered_before": "by this event or a later one, or are in the flow; not told to",
}
_DUE_IN_SHADOW = ("due now", "they enter, and a message is due at once; the flow is in shadow, so nothing is sent")
ALWAYS_SHOWN: frozenset[Outcome] = frozenset({"scheduled", "due_now", "left_out"})


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
    """Everybody whom the file is about, what would come of each, and where to tell them."""

    kafka: str
    topics: Topics
    flow: Flow
    status: Status
    """That in which it is active."""
    anchor: Anchor
    found: list[Foretold]
    refused: Counter[str]
    """Whom the file itself keeps out, by reason."""
    refused_lines: int


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
        takes_plugins,
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
    """Rehearse it: count who would be scheduled, who would get a message now, who is left out, and who would get none
    and why. Writes nothing.
    """
    made = asyncio.run(_plan(settings, console, **said))
    console.result(as_data(made), shown(made))


@backfill.command()
@takes_plan
@click.option("--per-second", type=click.FloatRange(1, 10_000), default=PER_SECOND, show_default=True, help="At most.")
def run(*, settings: Settings, console: Console, per_second: float, **said: Any) -> None:
    """Let them enter, as `plan` says. Interrupted, start it again: it goes on with who is left."""

    async def work() -> tuple[Plan, int]:
        made = await _plan(settings, console, **said)
        orders, written = _orders(made), 0
        with console.working(counted(len(orders), "person", "people")) as working:
            async for written in write_all(made.kafka, made.topics.profile_log.name, orders, per_second=per_second):
                working.update(f"{written:,} of {len(orders):,} people")
        return made, written

    made, ordered = asyncio.run(work())
    told = f"{counted(ordered, 'person', 'people')} {'was' if ordered == 1 else 'were'} told to enter"
    line = Text(f"{told}; the flow's own rules of entry judge them", "bold green")
    console.result(as_data(made) | {"ordered": ordered}, Group(shown(made), line))


async def _plan(
    settings: Settings,
    console: Console,
    *,
    name: str,
    events: Path,
    anchor: Anchor,
    max_overdue_ms: int | None,
    plugins: Mapping[Name, Plugin],
) -> Plan:
    kafka, declared, clock = await opened(settings, console)
    if clock == "carried":
        raise InputRefused("a log with a carried clock takes no backfill", next_step="feed the events themselves")
    book = await read_book(kafka, declared, plugins=plugins)
    active = book.order(book.newest).flows.get(name)
    if active is None or active.status not in ADMITTING - {"draining"}:
        what = f"no flow {name!r} is active" if active is None else f"the flow {name!r} is {active.status}"
        raise InputRefused(what, next_step="`cartwheel flows list` shows which flows take people in")
    lines = list(read_lines(events))
    refused = [line for line in lines if isinstance(line, RefusedLine)]
    say_refused(console, events, refused)
    flow = book.runnable(name, active.versions[0])
    now = time.time_ns() // 1_000_000
    chosen = choose(flow, (line for line in lines if isinstance(line, EventLine)), now=now, plugins=plugins)
    found: list[Foretold] = []
    async for number, some, known in _known(console, kafka, declared, chosen.candidates):
        found += foretell(
            book.program_of(book.newest), name, some, known, number=number, anchor=anchor,
            max_overdue_ms=max_overdue_ms, now=now,
        )  # fmt: skip
    return Plan(kafka, declared, flow, active.status, anchor, found, Counter(chosen.refused), len(refused))


async def _known(
    console: Console, kafka: str, topics: Topics, some: Iterable[Candidate]
) -> AsyncIterator[tuple[int, list[Candidate], Known]]:
    """By partition, people in the order of their events and what the changelog knows; one at a time is in memory."""
    parted: dict[int, list[Candidate]] = {}
    for one in some:
        parted.setdefault(partition_of(one.profile, topics.profile_log.partitions), []).append(one)
    offsets = await offsets_of(kafka, topics.profile_state) if parted else {}
    with console.working(f"reading {topics.profile_state.name}") as working:
        for number, people in sorted(parted.items()):
            working.update(f"partition {number}: {len(people):,} people")
            wanted = {one.profile for one in people}
            yield number, people, await known_of(kafka, topics.profile_state, number, offsets[number], wanted)


def _orders(made: Plan) -> list[tuple[int, bytes, bytes]]:
    at, by = stamp()
    partitions = made.topics.profile_log.partitions
    return [
        (
            partition_of(one.candidate.profile, partitions),
            BACKFILL_KEY,
            order(one.candidate, made.flow.name, anchor=made.anchor, by=by, at=at),
        )
        for one in made.found
        if one.outcome in ENTERING
    ]


def _reasons(made: Plan) -> dict[Outcome, Counter[str]]:
    """Of each outcome that has any, the most frequent first."""
    reasons = {outcome: Counter[str]() for outcome in OUTCOMES}
    reasons["refused"].update(made.refused)
    for one in made.found:
        reasons[one.outcome].update([one.reason] if one.reason else [])
    return {outcome: Counter(dict(found.most_common())) for outcome, found in reasons.items() if found}


def _counts(made: Plan) -> dict[Outcome, int]:
    counts = count(made.found)
    counts["refused"] += made.refused.total()
    return counts


def shown(made: Plan) -> Table:
    """For people, how many of each outcome, with the reasons."""
    table = Table(f"{made.flow.name} {made.flow.version[:VERSION_SHOWN]}", box=None, pad_edge=False)
    table.add_column("people", justify="right")
    table.add_column("")
    reasons = _reasons(made)
    for outcome, people in _counts(made).items():
        if people or outcome in ALWAYS_SHOWN:
            tried = outcome == "due_now" and made.status == "shadow"
            name, meaning = _DUE_IN_SHADOW if tried else (_NAMES[outcome], _MEANINGS[outcome])
            table.add_row(name, f"{people:,}", Text(meaning, "dim"))
        for reason, number in reasons.get(outcome, {}).items():
            table.add_row(Text(f"  {reason}", "dim"), Text(f"{number:,}", "dim"))
    if made.refused_lines:
        table.add_row(Text("lines that could not be taken", "red"), f"{made.refused_lines:,}")
    return table


def as_data(made: Plan) -> dict[str, Any]:
    """The public result."""
    return {
        "flow": made.flow.name,
        "version": made.flow.version,
        "status": made.status,
        "anchor": made.anchor,
        **{str(outcome): people for outcome, people in _counts(made).items()},
        "reasons": _reasons(made),
        "refused_lines": made.refused_lines,
    }
