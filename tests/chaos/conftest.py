"""Brokers to be killed, and one table at the end that says what each storm did and what it cost."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from agents.settings import Settings
from tests.chaos.cluster import Cluster, cluster
from tests.chaos.sizes import SIZE
from tests.chaos.weather import Outcome, Storm, storm_over
from tests.integration.engine_rig import rig

Report = Callable[[str, Outcome], None]
ROW = "storm"
PER_SECOND = 300.0


class Shake(Protocol):
    """See `shake`."""

    def __call__(self, name: str, storm: Storm, *, kafka: str, per_second: float = ...) -> Awaitable[Outcome]: ...


@pytest.fixture(scope="module")
def one_broker() -> Iterator[Cluster]:
    """A broker of our own; data is gone with it, so nothing else uses it."""
    with cluster(Settings.from_environ(os.environ), count=1) as made:
        yield made


@pytest.fixture(scope="module")
def three_brokers() -> Iterator[Cluster]:
    """Three copies of everything, of which two must be written."""
    with cluster(Settings.from_environ(os.environ), count=3) as made:
        yield made


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Put the outcome of a storm on the table, and judge it."""

    def note(name: str, outcome: Outcome) -> None:
        print(f"\n{name}: {outcome.row()} {dict(outcome.died)} {outcome.verdict}", flush=True)
        record_property(ROW, [name, outcome.row()])
        assert outcome.verdict.faults() == {}
        assert outcome.verdict.commands > 0

    return note


@pytest.fixture
def shake(home: Path, namespace: str, report: Report) -> Shake:
    """Run a storm over a fresh log."""

    async def run(name: str, storm: Storm, *, kafka: str, per_second: float = PER_SECOND) -> Outcome:
        async with rig(kafka=kafka, home=home, namespace=namespace) as made:
            outcome = await storm_over(made, storm, seed=SIZE, per_second=per_second)
            report(name, outcome)
        return outcome

    return run


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line a storm."""
    reports = [report for some in ("passed", "failed") for report in terminalreporter.getreports(some)]
    rows = [value for report in reports for name, value in report.user_properties if name == ROW]
    if not rows:
        return
    titles = ["storm", *rows[0][1]]
    cells = [titles, *([name, *map(str, row.values())] for name, row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    terminalreporter.section("storms")
    for line in cells:
        terminalreporter.line("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
