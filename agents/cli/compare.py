"""`cartwheel flows compare`: whom another version of a flow would treat differently, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table

from agents.cli.options import takes_console, takes_plugins
from agents.cli.replay import say_refused
from agents.comparing import KINDS, Comparison, Difference, compare
from agents.console import Console, counted
from agents.errors import InputRefused
from agents.flow_files import load_flows, load_policy
from agents.garbage import seldom_collected
from agents.replaying import Replayed
from schemas.decision import Decision
from schemas.flow import Flow
from streams.plugins import Name, Plugin
from streams.telling import moment, tell

_NAMES = {kind: kind.replace("_", " ").replace("by a", "by A").replace("by b", "by B") for kind in KINDS}

takes_flows = click.Path(path_type=Path)


@click.command("compare")
@click.argument("a", type=takes_flows)
@click.argument("b", type=takes_flows)
@click.option(
    "--events", type=click.Path(path_type=Path), required=True, help="Lines of JSON in order of arrival, plain or gzip."
)
@click.option("--show", type=click.IntRange(0), default=10, show_default=True, help="Show so many cases.")
@click.option("--exit-code", is_flag=True, help="Exit 1 if anybody would be treated differently.")
@takes_plugins
@takes_console
def command(
    *, a: Path, b: Path, events: Path, show: int, exit_code: bool, plugins: Mapping[Name, Plugin], console: Console
) -> int:
    """Replay recorded events through two versions of flows: files, or folders in which flows have the same names.

    Says how many messages only one of them sends, at another time or otherwise, how often only the reasons differ,
    and shows the first cases with all decisions of both. Events are written as for `cartwheel replay`; a file without
    one that can be taken ends it with exit code 65.
    """
    ours, theirs = load_flows(a, plugins), load_flows(b, plugins)
    with console.working(f"replaying {events.name} twice"), seldom_collected():
        found = compare(ours, theirs, events, policies=(load_policy(a), load_policy(b)), plugins=plugins)
    say_refused(console, events, found.a.refused)  # for B they are the same lines
    if not found.a.events:
        raise _nothing_read(events, found.a)
    console.result(_as_data(found, {"a": ours, "b": theirs}, show), _as_shown(found, show))
    return 1 if exit_code and found.differences else 0


def _nothing_read(events: Path, replayed: Replayed) -> InputRefused:
    """Of no events nothing can be said, least of all that nobody would be treated differently."""
    what = f"{events} has no events"
    if refused := replayed.refused:
        first = f"line {refused[0].number}: {refused[0].refused}"
        what = f"{what}: {counted(len(refused), 'line')} could not be taken; {first}"
    return InputRefused(what, next_step="give a file of events, one a line, as `cartwheel replay` takes it")


def _as_data(found: Comparison, flows: dict[str, Sequence[Flow]], show: int) -> dict[str, Any]:
    sides = {
        side: {"versions": {flow.name: flow.version for flow in flows[side]}, **_totals(replayed)}
        for side, replayed in (("a", found.a), ("b", found.b))
    }
    return {
        **sides,
        "events": found.a.events,
        "refused": dict(sorted(Counter(line.refused.reason for line in found.a.refused).items())),
        "cases": found.cases,
        "people_treated_differently": len(found.people),
        "differences": {kind: found.counts[kind] for kind in KINDS},
        "shown": [
            {**one.case._asdict(), "kinds": one.kinds, "a": _built(one.a), "b": _built(one.b)}
            for one in found.differences[:show]
        ],
    }


def _totals(replayed: Replayed) -> dict[str, int]:
    entered = sum(one.outcome == "entered" for one in replayed.rehearsal.decisions)
    return {"entered": entered, "sent": len(replayed.rehearsal.commands)}


def _built(decisions: Sequence[Decision]) -> list[Any]:
    return [msgspec.to_builtins(one) for one in decisions]


def _as_shown(found: Comparison, show: int) -> RenderableType:
    counts = Table(box=None, pad_edge=False)
    for heading in ("", "A", "B"):
        counts.add_column(heading, justify="right" if heading else "left")
    ours, theirs = _totals(found.a), _totals(found.b)
    for name in ours:
        counts.add_row(name, f"{ours[name]:,}", f"{theirs[name]:,}")
    kinds = Table(box=None, pad_edge=False, show_header=False)
    for kind in KINDS:
        kinds.add_row(_NAMES[kind], f"{found.counts[kind]:,}")
    people = counted(len(found.people), "person", "people")
    line = f"{people} would be treated differently, in {len(found.differences):,} of {counted(found.cases, 'case')}"
    shown = [_side_by_side(one) for one in found.differences[:show]]
    return Group(counts, "", line, kinds, *shown)


def _side_by_side(one: Difference) -> RenderableType:
    title = f"{one.case.person}, {one.case.flow}: {', '.join(map(_NAMES.__getitem__, one.kinds))}"
    table = Table(title=title, title_justify="left")
    table.add_column("A", overflow="fold", ratio=1)
    table.add_column("B", overflow="fold", ratio=1)
    for a, b in zip_longest(_told(one.a), _told(one.b), fillvalue=""):
        table.add_row(a, b)
    return table


def _told(decisions: Sequence[Decision]) -> Iterator[str]:
    if not decisions:
        yield "nothing: `where` turned it away, or an enrollment was live"
    for one in decisions:
        yield f"{moment(one.decided_at)}\n{tell(one)}"
