"""Results of workloads: what was run, what was read. Kept as JSON, the newest runs of each workload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.machine import Calibration
from benchmarks.results import FOLDER, Spread
from benchmarks.workloads.answers import Latency

WORKLOADS = FOLDER / "workloads.json"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has measured, by name."""

    values: dict[str, float]
    latencies: dict[str, Latency] = {}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a workload; `reading` is absent when the work was wrong, and then nothing counts."""

    workload: str
    round: int
    begun_at: str
    settings: dict[str, float]
    before: Calibration
    after: Calibration
    reading: Reading | None = None
    wrong: str | None = None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """All there is."""

    schema: str = "cartwheel.workloads.v1"
    machine: dict[str, Any]
    runs: tuple[Run, ...] = ()

    def with_runs(self, runs: Sequence[Run]) -> Measured:
        """These instead of all of the same workloads."""
        done = {run.workload for run in runs}
        return msgspec.structs.replace(self, runs=(*(run for run in self.runs if run.workload not in done), *runs))

    def readings(self, workload: str) -> list[Reading]:
        """Of the rounds that were right."""
        return [run.reading for run in self.runs if run.workload == workload and run.reading is not None]

    def spread(self, workload: str, value: str) -> Spread | None:
        """Of one value over the rounds; None where there is none."""
        found = [reading.values[value] for reading in self.readings(workload) if value in reading.values]
        return Spread.of(found) if found else None


def save(measured: Measured, path: Path = WORKLOADS) -> None:
    """As JSON for people and programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=2) + b"\n")


def read(path: Path = WORKLOADS) -> Measured | None:
    """What `save` has written, if it has."""
    return msgspec.json.decode(path.read_bytes(), type=Measured) if path.exists() else None
