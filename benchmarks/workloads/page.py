"""The page `docs/workloads.md`: its measured part is written from results, the rest by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.page import DOCS, replace_measured
from benchmarks.workloads import gates
from benchmarks.workloads.answers import PERCENTILES
from benchmarks.workloads.results import Measured

PAGE = "workloads.md"


def write(measured: Measured, folder: Path = DOCS) -> None:
    """Replace the measured part. Raises Misconfigured when the page has lost its marks."""
    replace_measured(folder / PAGE, shown(measured))


def shown(measured: Measured) -> str:
    """Gates, latencies, everything else that was read, and on what machine."""
    machine = measured.machine
    days = sorted({run.begun_at[:10] for run in measured.runs})
    speeds = [spin.ns_per_turn for run in measured.runs for spin in (run.before, run.after)]
    shares = [spin.cpu_share for run in measured.runs for spin in (run.before, run.after)]
    return "\n".join(
        [
            gates.markdown(measured),
            "",
            *_latencies(measured),
            "",
            *_values(measured),
            "",
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB, {machine['system']},"
            f" Python {machine['python']}; measured {' and '.join(days)}. Spins on the measured core before and"
            f" after the runs took {min(speeds, default=0):.1f} to {max(speeds, default=0):.1f} ns a turn and got"
            f" {min(shares, default=0):.0%} to {max(shares, default=0):.0%} of it.",
        ]
    )


def _names(measured: Measured) -> list[str]:
    return list(dict.fromkeys(run.workload for run in measured.runs))


def _latencies(measured: Measured) -> Iterator[str]:
    yield f"| Milliseconds | | {' | '.join(PERCENTILES)} | of |"
    yield "|---|---|" + "---|" * (len(PERCENTILES) + 1)
    for workload in _names(measured):
        readings = measured.readings(workload)
        for name in readings[0].latencies if readings else ():
            some = [reading.latencies[name] for reading in readings]
            shares = " | ".join(f"{median(one[share] for one in some):,.0f}" for share in PERCENTILES)
            yield f"| {workload} | {name} | {shares} | {sum(one.count for one in some):,} |"


def _values(measured: Measured) -> Iterator[str]:
    for workload in _names(measured):
        readings = measured.readings(workload)
        wrong = sum(run.wrong is not None for run in measured.runs if run.workload == workload)
        values = [
            f"{name} {median(reading.values[name] for reading in readings):,.4g}"
            for name in (readings[0].values if readings else ())
        ]
        rounds = f"{len(readings)} rounds" + (f", {wrong} without a number" if wrong else "")
        yield f"- {workload} ({rounds}): {', '.join(values) or 'nothing'}"
