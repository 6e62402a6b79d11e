"""The gates: what must hold, what is aimed at, and what has been measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from benchmarks.results import Spread
from benchmarks.table import spread
from benchmarks.workloads.results import Measured

Verdict = Literal["aim", "must", "MISSED", "not measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A bound on one value of one workload. `at_least`: more is better."""

    what: str
    workload: str
    value: str
    unit: str
    must: float
    aim: float
    form: str = ",.0f"
    at_least: bool = False

    def judge(self, found: Spread | None) -> Verdict:
        """By the median."""
        if found is None:
            return "not measured"
        if self._holds(found.median, self.aim):
            return "aim"
        return "must" if self._holds(found.median, self.must) else "MISSED"

    def bound(self, limit: float) -> str:
        """`≤ 100 ms`."""
        return f"{'≥' if self.at_least else '≤'} {limit:{self.form}} {self.unit}".rstrip()

    def _holds(self, found: float, limit: float) -> bool:
        return found >= limit if self.at_least else found <= limit


GATES = (
    Gate(what="event to decision at half of own maximum, p99", workload="latency at half", value="decision p99 ms",
         unit="ms", must=100, aim=40),
    Gate(what="event to decision at half of own maximum, p50", workload="latency at half", value="decision p50 ms",
         unit="ms", must=20, aim=20),
    Gate(what="event to command of a flow without waits, p99", workload="latency at half", value="command p99 ms",
         unit="ms", must=100, aim=40),
    Gate(what="event to command of a flow without waits, p50", workload="latency at half", value="command p50 ms",
         unit="ms", must=20, aim=20),
    Gate(what="timer lateness with 1 M pending and 5,000 events/s, p99", workload="timers", value="lateness p99 ms",
         unit="ms", must=250, aim=120),
    Gate(what="100,000 timers due in one second", workload="timers", value="burst per core second",
         unit="/s/core", must=40_000, aim=80_000, at_least=True),
    Gate(what="cold recovery of 1 M profiles, to the first event", workload="recovery", value="cold first",
         unit="s", must=20, aim=8, form=".1f"),
    Gate(what="changelog bytes per event, session, uncompressed", workload="flows",
         value="few: changelog bytes per event", unit="B", must=250, aim=100),
    Gate(what="memory per 1 M profiles of 850 bytes with timers", workload="people", value="GiB per million",
         unit="GiB", must=1.5, aim=1.1, form=".2f"),
    Gate(what="CPU per event, 100 k to 1 M profiles", workload="people", value="slope %", unit="%", must=20, aim=10),
    Gate(what="CPU per event, 4 to 64 partitions", workload="partitions", value="slope %", unit="%", must=25, aim=10),
    Gate(what="CPU per event, 1 to 200 live flows", workload="flows", value="slope %", unit="%", must=60, aim=25),
    Gate(what="garbage-collection pause with 1 M profiles, p99", workload="people", value="many: gc p99 ms",
         unit="ms", must=10, aim=5, form=".1f"),
    Gate(what="p99 of others beside one with 5 % of all events", workload="hot", value="p99 ratio",
         unit="times", must=1.5, aim=1.5, form=".2f"),
)  # fmt: skip


class Row(NamedTuple):
    """One line of the table, as text."""

    what: str
    must: str
    aim: str
    found: str
    verdict: str


def rows(measured: Measured) -> Iterator[Row]:
    """Every gate, also those without a number."""
    for gate in GATES:
        found = measured.spread(gate.workload, gate.value)
        shown = "" if found is None else f"{spread(found, gate.form)} {gate.unit}"
        yield Row(gate.what, gate.bound(gate.must), gate.bound(gate.aim), shown, gate.judge(found))


def markdown(measured: Measured) -> str:
    """The table for the page."""
    head = ["| Gate | Must | Aim | Measured | Verdict |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows(measured))])
