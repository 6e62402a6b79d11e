"""Intake's numbers for Prometheus. No label holds an id or a text that came from outside."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.refusals import REASONS

AGE_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 1_800, 3_600, 4 * 3_600, 24 * 3_600, 14 * 24 * 3_600)


class Metrics:
    """All numbers of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        records = Counter(
            "cartwheel_intake_records", "Raw records, by what became of them.", ["outcome"], registry=registry
        )
        self.forwarded = records.labels("forwarded")
        self.refused = records.labels("refused")
        self.dead_letters = Counter(
            "cartwheel_dead_letters", "Records that could not be taken.", ["stage", "reason"], registry=registry
        )
        for reason in REASONS:  # at 0 from the start: an alert sees the first one grow
            self.dead_letters.labels("intake", reason)
        self.replayed = Counter(
            "cartwheel_dead_letters_replayed",
            "Records taken that an operator had written again.",
            ["stage"],
            registry=registry,
        ).labels("intake")
        self.event_age = Histogram(
            "cartwheel_intake_event_age_seconds",
            "From when an event happened to when it was appended to the raw topic.",
            buckets=AGE_BUCKETS,
            registry=registry,
        )
        self.low_water_mark_lag = Gauge(
            "cartwheel_low_water_mark_lag_seconds",
            "How far the low-water mark of a raw partition is behind the broker's clock.",
            ["partition"],
            registry=registry,
        )
        self.lag = Gauge(
            "cartwheel_consumer_lag_records",
            "Records on the topic that were not taken yet.",
            ["topic", "partition"],
            registry=registry,
        )
