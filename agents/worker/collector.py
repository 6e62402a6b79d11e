"""What the worker is like right now, for Prometheus: its last report as gauges. Nothing is done unless asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.definitions.book import Book
from agents.worker.observer import OVERDUE_MAX
from agents.worker.report import PartitionReport, SourceReport, WorkerReport
from agents.worker.series import FLOW_LABELS_MAX, OTHER, SOURCE_LABELS_MAX, flow_labels
from schemas.activation import ActiveFlow

#: Name, text, and what it is of a partition; left out where that is not known.
OF_PARTITIONS: tuple[tuple[str, str, Callable[[PartitionReport], float | None]], ...] = (
    ("consumer_lag_records", "Records not evaluated yet.", lambda one: one.lag_records),
    ("consumer_lag_seconds", "Since the append of the next record that is not evaluated.", lambda one: one.lag_seconds),
    ("position", "Next offset to be evaluated.", lambda one: one.position),
    ("uncommitted_records", "Records evaluated and not committed.", lambda one: one.uncommitted_records),
    ("committed_offset_age_seconds", "Since the offset moved, if it has to.", lambda one: one.committed_age_seconds),
    ("partition_stopped", "1 while nothing is taken from it until an operator says so.", lambda one: bool(one.stopped)),
    ("activation_number", "Of the activation that decides which flows run.", lambda one: one.activation),
)


class ReportCollector(Collector):
    """`report` gives the last one; `store` is the folder of the local stores."""

    def __init__(self, *, report: Callable[[], WorkerReport], book: Book, topic: str, store: Path) -> None:
        self._report, self._book, self._topic, self._store = report, book, topic, store

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        report = self._report()
        for name, text, value_of in OF_PARTITIONS:
            family = GaugeMetricFamily(f"cartwheel_{name}", text, labels=["topic", "partition"])
            for one in report.partitions:
                if (value := value_of(one)) is not None:
                    family.add_metric([self._topic, str(one.partition)], value)
            yield family
        active = dict(self._book.order(self._book.newest).flows)
        yield self._timers_pending(report, flow_labels(active))
        yield _active_flows(active)
        yield from _sources(report.sources)
        for name, text, value in self._of_the_worker(report):
            yield GaugeMetricFamily(f"cartwheel_{name}", text, value=value)
        yield CounterMetricFamily(
            "cartwheel_offset_gaps", "Batches that did not begin where they should; sought back.", report.offset_gaps
        )

    def _timers_pending(self, report: WorkerReport, label_of: dict[str, str]) -> Metric:
        counts = dict.fromkeys([*label_of.values(), OTHER], 0)
        for flow, count in report.timers_pending.items():
            counts[label_of.get(flow, OTHER)] += count
        family = GaugeMetricFamily("cartwheel_timers_pending", "Timers that wait for their moment.", labels=["flow"])
        for label, count in counts.items():
            family.add_metric([label], count)
        return family

    def _of_the_worker(self, report: WorkerReport) -> Iterator[tuple[str, str, float]]:
        partitions = report.partitions
        yield "profiles", "People in the partitions owned.", sum(one.profiles for one in partitions)
        yield "state_bytes", "Local stores on disk.", folder_bytes(self._store)
        yield "partitions_owned", "Partitions owned and read.", len(partitions)
        yield (
            "timers_overdue",
            f"People with a timer that is due and not released; counting ends at {OVERDUE_MAX:,} in a partition.",
            sum(one.timers_overdue for one in partitions),
        )
        yield (
            "oldest_due_timer_seconds",
            "Since the moment of the oldest timer that is due and not released.",
            max((one.oldest_due_seconds for one in partitions), default=0.0),
        )
        yield (
            "tick_through_lag_seconds",
            "From where timers are released through to now, the worst partition; up to a minute when nothing is due.",
            max((one.through_lag_seconds for one in partitions), default=0.0),
        )
        yield (
            "clock_skew_seconds",
            "The broker's clock less ours at the last tick, where it was furthest off.",
            max((one.clock_skew_seconds for one in partitions), key=abs, default=0.0),
        )
        if report.low_water_lag_seconds is not None:
            yield "mark_age_seconds", "How old intake's low-water mark is.", report.low_water_lag_seconds
        yield "recovery_active", "1 while partitions are recovered.", report.phase == "recovering"
        yield "recovery_remaining_records", "Changelog records to be read.", report.recovery_remaining_records
        yield "recovery_seconds", "Of the recovery under way, else of the last one.", report.recovery_seconds


def _active_flows(active: Mapping[str, ActiveFlow]) -> Metric:
    text = "1 for the newest version of each flow, as published; partitions switch to it one by one."
    family = GaugeMetricFamily("cartwheel_flow_active", text, labels=["flow", "version", "status"])
    for name in sorted(active)[:FLOW_LABELS_MAX]:
        family.add_metric([name, active[name].versions[0], active[name].status], 1)
    return family


def _sources(sources: Sequence[SourceReport]) -> Iterator[Metric]:
    """Those beyond the first by name share a label: the slowest of them, and all who wait for any."""
    shown, others = sources[:SOURCE_LABELS_MAX], sources[SOURCE_LABELS_MAX:]
    through = GaugeMetricFamily(
        "cartwheel_source_watermark_timestamp_seconds",
        "Up to when a source that gates ask for is complete; 0: it has not said.",
        labels=["source"],
    )
    held = GaugeMetricFamily(
        "cartwheel_settle_holds", "People held at a gate that asks for this source.", labels=["source"]
    )
    for label, some in [*((one.source, [one]) for one in shown), *([(OTHER, others)] if others else [])]:
        through.add_metric([label], min(one.complete_through_at or 0 for one in some) / 1000)
        held.add_metric([label], sum(one.held for one in some))
    yield through
    yield held


def folder_bytes(folder: Path) -> int:
    """Of all files below it. What vanishes meanwhile, as a database's files do, is left out."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total
