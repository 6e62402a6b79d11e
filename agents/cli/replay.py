"""`cartwheel replay`: what flows would have done with a file of events, without a broker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress
from rich.table import Table

from agents.cli.options import takes_console, takes_plugins
from agents.console import Console, counted
from agents.errors import InputRefused
from agents.flow_files import load_flows, load_policy
from agents.garbage import seldom_collected
from agents.replay_file import RefusedLine
from agents.replaying import Replayed, replay
from schemas import codec
from schemas.decision import Decision
from streams.plugins import Name, Plugin

SHOWN_REFUSALS = 10


@click.command()
@click.option("--flows", type=click.Path(path_type=Path), required=True, help="A flow file, or a folder of them.")
@click.option(
    "--events", type=click.Path(path_type=Path), required=True, help="Lines of JSON in order of arrival, plain or gzip."
)
@click.option("--decisions", type=click.Path(path_type=Path), help="Write every decision to this file, one a line.")
@takes_plugins
@takes_console
def command(
    *, flows: Path, events: Path, decisions: Path | None, plugins: Mapping[Name, Plugin], console: Console
) -> None:
    """Run flows over a file of events with the real core, in virtual time.

    Prints per flow how many entered, ended by reason, were sent, skipped by reason, and how many triggers were ignored.
    After the last line time runs until no timer is pending. The file format is in docs/reference/events.md.
    """
    wanted, policy = load_flows(flows, plugins), load_policy(flows)
    size = events.stat().st_size if events.is_file() else None
    with Progress(console=console.err, transient=True, disable=console.as_json) as progress, seldom_collected():
        task = progress.add_task(f"replaying {events.name}", total=size)
        done = replay(
            wanted,
            events,
            policy=policy,
            plugins=plugins,
            progress=lambda position: progress.update(task, completed=position),
        )
    if decisions is not None:
        _write(decisions, done.rehearsal.decisions)
    say_refused(console, events, done.refused)
    console.result(done.as_data(), _table(done))


def say_refused(console: Console, path: Path, refused: Sequence[RefusedLine]) -> None:
    """The first lines of a file that could not be taken, each with its reason, and how many more there are."""
    for line in refused[:SHOWN_REFUSALS]:
        console.say(f"{path} line {line.number}: {line.refused}")
    if len(refused) > SHOWN_REFUSALS:
        console.say(f"and {counted(len(refused) - SHOWN_REFUSALS, 'more line')} could not be taken")


def _write(path: Path, decisions: list[Decision]) -> None:
    try:
        with path.open("wb") as file:
            file.writelines(codec.encode(decision) + b"\n" for decision in decisions)
    except OSError as error:
        raise InputRefused(
            f"{path} cannot be written: {error.strerror}", next_step="name a file in a folder you may write to"
        ) from error


def _table(done: Replayed) -> Table:
    data = done.as_data()
    title = f"{counted(data['events'], 'event')}, {data['duplicates']:,} of them copies"
    table = Table(title=title, title_justify="left")
    table.add_column("flow", overflow="fold")
    for heading in ("entered", "sent", "ignored"):
        table.add_column(heading, justify="right")
    table.add_column("how it ended, and what was not sent")
    for flow, counts in data["flows"].items():
        numbers = (f"{counts[name]:,}" for name in ("entered", "sent", "ignored"))
        table.add_row(flow, *numbers, "\n".join(_reasons(counts)), end_section=True)
    return table


def _reasons(counts: dict[str, Any]) -> Iterator[str]:
    for outcome in ("ended", "skipped", "refused"):
        for reason, count in sorted(counts[outcome].items(), key=lambda one: -one[1]):
            yield f"{outcome} {reason}  {count:,}"
    if counts["restarted"]:
        yield f"restarted  {counts['restarted']:,}"
