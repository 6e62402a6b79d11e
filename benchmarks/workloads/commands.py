"""The commands of the workloads, added to those of the benchmarks."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence

import click
import uvloop
from rich.table import Table

from agents.console import Console
from agents.errors import CheckFailed
from agents.settings import Settings
from benchmarks import machine
from benchmarks.results import LATEST, OURS, PEER
from benchmarks.results import read as read_comparison
from benchmarks.workloads import gates, page, results
from benchmarks.workloads.ground import ground
from benchmarks.workloads.results import Measured, Run
from benchmarks.workloads.runner import FULL, SMALL, Runner, Sizes

#: What is measured together, under the name of the command.
COMMANDS = {
    "latency": (
        ("latency", "hot", "faust"),
        "From an event to its answer, at steady rates; and a hot profile.",
    ),
    "timers": (("timers",), "A million timers, a hundred thousand in one second, and churn."),
    "recovery": (("recovery",), "A worker that was killed, with and without its disk."),
    "idle": (("idle",), "What a worker and an intake cost while nobody does anything."),
    "slopes": (("people", "partitions", "flows"), "CPU per event with more people, partitions, flows; memory."),
}
COMMANDS["all"] = (tuple(part for parts, _ in COMMANDS.values() for part in parts), "All workloads, one by one.")


def register(group: click.Group) -> None:
    """Add a command for each of them, and `gates`, which shows what they came to."""
    for name, (parts, about) in COMMANDS.items():
        group.add_command(_command(name, parts, about))
    group.add_command(show)


@click.command("gates")
@click.option("--write-docs", is_flag=True, help="Bring docs/workloads.md up to what was measured last.")
def show(*, write_docs: bool) -> None:
    """Show the gates and what was measured last."""
    measured = results.read() or Measured(machine=machine.describe())
    if write_docs:
        page.write(measured)
    else:
        Console().result({}, _table(measured))


def _command(name: str, parts: Sequence[str], about: str) -> click.Command:
    @click.command(name, help=about)
    @click.option("--quick", is_flag=True, help="Small sizes, one round: does it still work? Nothing is kept.")
    @click.option("--rounds", type=click.IntRange(1), help=f"[{FULL.rounds}; 1 with --quick]")
    @click.option("--part", "some", type=click.Choice(parts), multiple=True, help="Only this; may be repeated.")
    def command(*, quick: bool, rounds: int | None, some: Sequence[str]) -> None:
        sizes = (
            SMALL
            if quick
            else dataclasses.replace(
                FULL,
                half_of_maximum=_half_of(OURS, FULL.half_of_maximum),
                half_of_faust=_half_of(PEER, FULL.half_of_faust),
            )
        )
        _run(some or parts, dataclasses.replace(sizes, rounds=rounds or sizes.rounds), keep=not quick)

    return command


def _run(parts: Sequence[str], sizes: Sizes, *, keep: bool) -> None:
    """Run them on one broker. Raises CheckFailed if one of them was wrong in some round."""
    # The client logs what it then tries again by itself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console, runs = Console(), []
    with ground(_settings(), console=console) as on:
        for part in parts:
            runner = Runner(on, sizes)
            uvloop.run(getattr(runner, part)())
            runs += runner.runs
            if keep:  # also when a later part is interrupted
                results.save((results.read() or Measured(machine=machine.describe())).with_runs(runner.runs))
    console.result({}, _table(Measured(machine=machine.describe(), runs=tuple(runs))))
    _refuse_wrong(runs)


def _refuse_wrong(runs: Sequence[Run]) -> None:
    wrong = [run for run in runs if run.wrong is not None]
    if wrong:
        raise CheckFailed(
            f"{len(wrong)} of {len(runs)} runs have no number; {wrong[0].workload}: {wrong[0].wrong}",
            next_step="no number counts until this is understood",
        )


def _full() -> Sizes:
    return dataclasses.replace(
        FULL,
        half_of_maximum=_half_of(OURS, FULL.half_of_maximum),
        half_of_faust=_half_of(PEER, FULL.half_of_faust),
    )


def _half_of(system: str, otherwise: float) -> float:
    """Half of what the main benchmark has measured last for a system, in events per second of wall time."""
    if LATEST.exists():
        for row in read_comparison(LATEST).rows():
            if row.system == system and row.traffic == "session":
                return row.events_per_second.median / 2
    return otherwise


def _table(measured: Measured) -> Table:
    table = Table("gate", "must", "aim", "measured", "", box=None, pad_edge=False)
    for row in gates.rows(measured):
        table.add_row(*row)
    return table


def _settings() -> Settings:
    """The environment's, but on a broker of its own: only that can be kept off the measured core."""
    settings = Settings.from_environ(os.environ)
    return dataclasses.replace(settings, home=settings.home / "workloads", kafka=None, postgres=None)
