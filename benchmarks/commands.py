"""The commands of the benchmarks, on the same console and with the same exit codes as `cartwheel`."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence

import click
import msgspec
from msgspec.structs import replace

from agents.console import Console
from agents.errors import CartwheelError, CheckFailed, InputRefused, Unavailable
from agents.settings import Settings
from benchmarks import core, page, replay
from benchmarks.comparison import compare
from benchmarks.gates import FAILING, judged
from benchmarks.results import FOLDER, LATEST, OURS, PEER, Config, Results, joined, read, save
from benchmarks.systems import SYSTEMS
from benchmarks.table import core_table, replay_table, results_table
from benchmarks.traffic import KINDS, Kind
from benchmarks.workloads.commands import register
from schemas.topics import DEFAULT_PARTITIONS

FULL = Config(
    traffics=KINDS,
    systems=tuple(name for name in SYSTEMS if name != "faust-rocksdb"),
    rounds=5,
    warm_up_seconds=10.0,
    seconds=20.0,
    calibration_seconds=2.0,
    partitions=DEFAULT_PARTITIONS,
    seed=1,
    events_per_second_max=300_000,
    jvm_warm_up_seconds=60.0,
)
QUICK = replace(
    FULL,
    traffics=("session",),
    systems=(OURS, PEER),
    rounds=1,
    warm_up_seconds=2.0,
    seconds=5.0,
    calibration_seconds=0.5,
    events_per_second_max=240_000,
    jvm_warm_up_seconds=20.0,
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="A smoke run of two minutes: one round, short slots, two systems.")
@click.option("--rounds", type=click.IntRange(1), help="How often each system has its turn [5].")
@click.option("--traffic", "traffics", type=click.Choice(KINDS), multiple=True, help="May be repeated [both].")
@click.option("--system", "systems", type=click.Choice(list(SYSTEMS)), multiple=True, help="May be repeated.")
@click.option("--partitions", type=click.IntRange(1), default=DEFAULT_PARTITIONS, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--gates", is_flag=True, help="Exit 1 if a gate is missed or has no number.")
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
    gates: bool,
    write_docs: bool,
) -> None:
    """Measure the worker beside its peers: other programs that do the same job, on one log and one core.

    Results go to benchmarks/results, those of five rounds or more to latest.json
    as well, which keeps the other traffic.
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
    results = compare(config, _settings(), console=console, must_have_all=bool(systems))
    save(results, FOLDER / f"{results.begun_at.replace(':', '')}.json")
    if config.rounds >= FULL.rounds:
        save(joined(read(LATEST), results) if LATEST.exists() else results, LATEST)
    console.result({}, results_table(results))
    judge(results, gates=gates)
    if results.left_out:
        raise Unavailable(
            f"left out: {', '.join(results.left_out)}", next_step="see above what each of them needs, then run it again"
        )


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


@benchmarks.command("replay")
@click.option("--traffic", "kind", type=click.Choice(KINDS), default="session", show_default=True)
@click.option("--events", type=click.IntRange(1_000), default=200_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--keep", is_flag=True, help="Keep the result as benchmarks/results/replay.json.")
@click.option("--gates", is_flag=True, help="Exit 1 if the core takes fewer events than it must.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def measure_replay(*, kind: Kind, events: int, rounds: int, seed: int, keep: bool, gates: bool, as_json: bool) -> None:
    """Measure a replay of recorded events: our core, a naive interpreter, and `cartwheel replay` from a file."""
    measured = replay.measure(kind=kind, events=events, rounds=rounds, seed=seed)
    if keep:
        replay.save(measured)
    Console(as_json=as_json).result(msgspec.to_builtins(measured), replay_table(measured))
    if gates and (found := measured.rate("core").median) < replay.MUST:
        raise CheckFailed(
            f"the core takes {found:,.0f} events per second, and must take {replay.MUST:,}",
            next_step="run it again on a quiet machine, then `python -m benchmarks core --profile`",
        )


register(benchmarks)


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
    return dataclasses.replace(settings, home=settings.home / "bench" / "run", kafka=None, postgres=None)


def _latest() -> Results:
    if not LATEST.exists():
        raise InputRefused(f"{LATEST} is not there", next_step="run `make bench` first")
    return read(LATEST)


def judge(results: Results, *, gates: bool) -> None:
    """Our work must have been right each time, the peer must have a number; gates must hold if that is asked for."""
    for one in results.played:
        if one.wrong is not None and one.system == OURS:
            raise CheckFailed(f"round {one.round}: {one.wrong}", next_step="no number counts until this is understood")
    rows = {(row.traffic, row.system): row for row in results.rows()}
    for traffic in results.config.traffics if PEER in results.config.systems else ():
        if (peer := rows.get((traffic, PEER))) is None or peer.ratio is None:
            raise CheckFailed(f"{traffic}: {PEER} has no number", next_step="see above what it said; run it again")
    missed = [f"{gate.system}, {gate.traffic}" for gate, _, verdict in judged(results) if verdict in FAILING]
    if gates and missed:
        raise CheckFailed(
            f"gates without success: {'; '.join(missed)}",
            next_step="compare the calibrations in the results, run it again on a quiet machine, then profile",
        )
