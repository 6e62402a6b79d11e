"""The commands of the benchmarks, on the same console and with the same exit codes as `cartwheel`."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence

import click
from msgspec.structs import replace

from agents.console import Console
from agents.errors import CartwheelError, CheckFailed, InputRefused
from agents.settings import Settings
from benchmarks import core, page
from benchmarks.comparison import compare
from benchmarks.results import FOLDER, LATEST, OURS, PEER, Config, Results, read, save
from benchmarks.systems import SYSTEMS
from benchmarks.table import core_table, results_table
from benchmarks.traffic import KINDS, Kind
from schemas.topics import DEFAULT_PARTITIONS

FULL = Config(
    traffics=("session",),
    systems=(OURS, PEER, "faust-naive"),
    rounds=3,
    warm_up_seconds=10.0,
    seconds=20.0,
    calibration_seconds=2.0,
    partitions=DEFAULT_PARTITIONS,
    seed=1,
    events_per_second_max=80_000,
)
QUICK = replace(FULL, systems=(OURS, PEER), rounds=1, warm_up_seconds=2.0, seconds=5.0, calibration_seconds=0.5)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="A smoke run of about a minute: one round, short slots, two systems.")
@click.option("--rounds", type=click.IntRange(1), help="How often each system has its turn [3].")
@click.option("--traffic", "traffics", type=click.Choice(KINDS), multiple=True, help="May be repeated [session].")
@click.option("--system", "systems", type=click.Choice(list(SYSTEMS)), multiple=True, help="May be repeated.")
@click.option("--partitions", type=click.IntRange(1), default=DEFAULT_PARTITIONS, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--at-least", type=float, metavar="RATIO", help=f"Exit 1 if {PEER} is not this many times dearer.")
@click.option("--write-docs", is_flag=True, help="Measure nothing; bring docs/performance.md up to latest.json.")
@click.pass_context
def benchmarks(
    context: click.Context,
    *,
    quick: bool,
    rounds: int | None,
    traffics: tuple[Kind, ...],
    systems: tuple[str, ...],
    partitions: int,
    seed: int,
    at_least: float | None,
    write_docs: bool,
) -> None:
    """Measure the worker beside a stock Faust agent with a table, on one log and one core.

    Results go to benchmarks/results; latest.json is replaced by a full run only.
    """
    if context.invoked_subcommand is not None:
        return
    if write_docs:
        page.write(_latest())
        return
    kind = QUICK if quick else FULL
    config = replace(
        kind,
        traffics=traffics or kind.traffics,
        systems=systems or kind.systems,
        rounds=rounds or kind.rounds,
        partitions=partitions,
        seed=seed,
    )
    # The client logs what it then tries again by itself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console()
    results = compare(config, _settings(), console=console)
    save(results, FOLDER / f"{results.begun_at.replace(':', '')}.json")
    if not quick:
        save(results, LATEST)
    console.result({}, results_table(results))
    judge(results, at_least)


@benchmarks.command("core")
@click.option("--traffic", "kind", type=click.Choice(KINDS), default="session", show_default=True)
@click.option("--events", type=click.IntRange(1_000), default=100_000, show_default=True)
@click.option("--flows", type=click.IntRange(1), default=1, show_default=True, help="Copies of the same flow.")
@click.option("--unit", type=click.IntRange(1), default=500, show_default=True, help="Records in a unit of work.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--profile", is_flag=True, help="Show where the time goes instead of how much it is.")
def measure_core(*, kind: Kind, events: int, flows: int, unit: int, rounds: int, seed: int, profile: bool) -> None:
    """Measure the core alone: no broker, no Faust, no disk."""
    setup = core.Setup(kind=kind, events=events, flows=flows, unit=unit, seed=seed)
    if profile:
        core.profile(setup)
    else:
        Console().result({}, core_table(core.run(setup, rounds=rounds)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    console = Console()
    try:
        benchmarks.main(arguments, prog_name="python -m benchmarks", standalone_mode=False)
    except CartwheelError as error:
        console.fail(error.message, next_step=error.next_step)
        return error.exit_code
    except click.ClickException as error:
        console.fail(error.format_message(), next_step="`python -m benchmarks --help` shows what is allowed")
        return error.exit_code
    return 0


def _settings() -> Settings:
    """The environment's, but on a broker of its own: only that can be kept off the measured core."""
    settings = Settings.from_environ(os.environ)
    return dataclasses.replace(settings, home=settings.home / "bench", kafka=None, postgres=None)


def _latest() -> Results:
    if not LATEST.exists():
        raise InputRefused(f"{LATEST} is not there", next_step="run `make bench` first")
    return read(LATEST)


def judge(results: Results, at_least: float | None) -> None:
    """Our work must have been right each time, the peer must have a number, and the ratio be what was asked for."""
    for one in results.played:
        if one.wrong is not None and one.system == OURS:
            raise CheckFailed(f"round {one.round}: {one.wrong}", next_step="no number counts until this is understood")
    rows = {(row.traffic, row.system): row for row in results.rows()}
    for traffic in results.config.traffics if PEER in results.config.systems else ():
        peer = rows.get((traffic, PEER))
        if peer is None or peer.ratio is None:
            raise CheckFailed(f"{traffic}: {PEER} has no number", next_step="see above what it said; run it again")
        if at_least and peer.ratio.median < at_least:
            raise CheckFailed(
                f"{traffic}: {PEER} takes {peer.ratio.median:.1f} times our CPU per event, not {at_least:g}",
                next_step="compare the calibrations in the results, run it again on a quiet machine, then profile",
            )
