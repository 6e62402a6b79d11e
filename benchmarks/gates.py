"""The gates of the comparison: what the worker must reach beside its peers, what it should, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from benchmarks.results import PEER, Results, Spread
from benchmarks.traffic import Kind

Verdict = Literal["aim", "must", "MISSED", "published", "not measured"]
FAILING: tuple[Verdict, ...] = ("MISSED", "not measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """How many times the events per second and core of a system. Without `must` it is published, whatever it is."""

    traffic: Kind
    system: str
    must: float | None
    aim: float

    def judge(self, found: Spread | None) -> Verdict:
        """By the median of the rounds."""
        if found is None:
            return "not measured"
        if found.median >= self.aim:
            return "aim"
        if self.must is None:
            return "published"
        return "must" if found.median >= self.must else "MISSED"


GATES = (
    Gate(traffic="session", system=PEER, must=10, aim=18),
    Gate(traffic="uniform", system=PEER, must=6, aim=10),
    Gate(traffic="session", system="quix", must=1.5, aim=2.5),
    Gate(traffic="uniform", system="quix", must=1, aim=2),
    Gate(traffic="session", system="bytewax", must=1.5, aim=2.5),
    Gate(traffic="uniform", system="bytewax", must=1, aim=2),
    Gate(traffic="session", system="kafka-streams-rocksdb", must=0.7, aim=1),
    Gate(traffic="uniform", system="kafka-streams-rocksdb", must=0.6, aim=1),
    Gate(traffic="session", system="kafka-streams-memory", must=None, aim=0.8),
)


class Judged(NamedTuple):
    """A gate, what was measured for it, and what that comes to."""

    gate: Gate
    found: Spread | None
    verdict: Verdict


def judged(results: Results) -> Iterator[Judged]:
    """Every gate, also those without a number."""
    ratios = {(row.traffic, row.system): row.ratio for row in results.rows()}
    for gate in GATES:
        found = ratios.get((gate.traffic, gate.system))
        yield Judged(gate, found, gate.judge(found))
