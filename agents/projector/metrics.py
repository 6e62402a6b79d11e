"""The projector's numbers for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from schemas.refusals import REASONS


class Metrics:
    """All numbers of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        taken = Counter(
            "cartwheel_projector_decisions", "Decisions read: new, or there already.", ("outcome",), registry=registry
        )
        self.new, self.repeated = taken.labels("new"), taken.labels("repeated")
        self.dead_letters = Counter(
            "cartwheel_dead_letters", "Records that could not be taken.", ("stage", "reason"), registry=registry
        )
        for reason in REASONS:  # at 0 from the start: an alert sees the first one grow
            self.dead_letters.labels("projector", reason)
        self.replayed = Counter(
            "cartwheel_dead_letters_replayed",
            "Records taken that an operator had written again.",
            ("stage",),
            registry=registry,
        ).labels("projector")
        self.lag = Gauge(
            "cartwheel_consumer_lag_records",
            "Records on the topic that were not taken yet.",
            ("topic", "partition"),
            registry=registry,
        )
