"""The dispatcher's numbers for Prometheus. No label holds an id or a text that came from outside."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.refusals import REASONS

LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)


class Metrics:
    """All numbers of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.outcomes = Counter(
            "cartwheel_dispatch_outcomes",
            "Commands that reached an end, by sender and outcome.",
            ("channel", "sender", "outcome"),
            registry=registry,
        )
        self.retries = Counter(
            "cartwheel_dispatch_retries",
            "Attempts that failed before the provider took the message, and will be repeated.",
            ("sender", "reason"),
            registry=registry,
        )
        self.latency = Histogram(
            "cartwheel_dispatch_latency_seconds",
            "From the decision to the outcome; live clock only.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.queue = Gauge("cartwheel_dispatch_queue", "Open commands in the ledger.", ("state",), registry=registry)
        self.repeated = Counter(
            "cartwheel_dispatch_duplicates_prevented",
            "Commands that came again and were already in the ledger.",
            registry=registry,
        )
        self.conflicts = Counter(
            "cartwheel_dispatch_conflicts",
            "Command ids that came again with another body, which must never happen. The first is carried out.",
            registry=registry,
        )
        self.recalls = Counter(
            "cartwheel_dispatch_recalls_passed_over",
            "Recalls read and not carried out: this version sends what it was ordered to send.",
            registry=registry,
        )
        self.lost_leases = Counter(
            "cartwheel_dispatch_lost_leases",
            "Outcomes that were not written because the lease was over.",
            registry=registry,
        )
        self.unpublished = Gauge("cartwheel_receipts_unpublished", "Receipts owed to the topic.", registry=registry)
        self.dead_letters = Counter(
            "cartwheel_dead_letters", "Records that could not be taken.", ("stage", "reason"), registry=registry
        )
        for reason in REASONS:  # at 0 from the start: an alert sees the first one grow
            self.dead_letters.labels("dispatcher", reason)
        self.replayed = Counter(
            "cartwheel_dead_letters_replayed",
            "Records taken that an operator had written again.",
            ("stage",),
            registry=registry,
        ).labels("dispatcher")
        self.lag = Gauge(
            "cartwheel_consumer_lag_records",
            "Records on the topic that were not taken yet.",
            ("topic", "partition"),
            registry=registry,
        )
