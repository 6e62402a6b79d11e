"""The worker's numbers for Prometheus. No label holds an id of a person, an enrollment or a command."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as Total

LATENESS_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600, 21600, 86400)
UNIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class UnitOutputs(Protocol):
    """What a unit of work tells about itself."""

    @property
    def tallies(self) -> Counter[tuple[str, ...]]: ...
    @property
    def latenesses(self) -> list[int]: ...


class Metrics:
    """What is counted as it happens. One per process, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._records = Total("cartwheel_records_total", "Records of the profile log.", ["outcome"], registry=registry)
        self._decisions = Total(
            "cartwheel_decisions_total", "Decisions.", ["flow", "outcome", "reason"], registry=registry
        )
        self._commands = Total("cartwheel_commands_total", "Commands.", ["flow", "channel"], registry=registry)
        self._others = Total("cartwheel_noted_total", "What else the core counts.", ["what", "of"], registry=registry)
        self._lateness = Histogram(
            "cartwheel_timer_lateness_seconds",
            "From a timer's moment to its release.",
            buckets=LATENESS_SECONDS,
            registry=registry,
        )
        self._units = Histogram(
            "cartwheel_unit_of_work_seconds",
            "From the first record of a batch to its state in the local store.",
            buckets=UNIT_SECONDS,
            registry=registry,
        )
        self._restored = Total("cartwheel_restored_records_total", "Changelog records read back.", registry=registry)

    def unit(self, outputs: UnitOutputs, *, seconds: float) -> None:
        """A unit of work is stored."""
        for tally, count in outputs.tallies.items():
            self._tally(tally, count)
        for lateness_ms in outputs.latenesses:
            self._lateness.observe(lateness_ms / 1000)
        self._units.observe(seconds)

    def restored(self, records: int) -> None:
        """A recovery has read changelog records."""
        self._restored.inc(records)

    def _tally(self, tally: tuple[str, ...], count: int) -> None:
        match tally:
            case ("event", outcome):
                self._records.labels(outcome).inc(count)
            case ("tick",):
                self._records.labels("tick").inc(count)
            case ("decision", flow, outcome, reason):
                self._decisions.labels(flow, outcome, reason).inc(count)
            case ("command", flow, channel):
                self._commands.labels(flow, channel).inc(count)
            case _:
                self._others.labels(tally[0], ":".join(tally[1:])).inc(count)
