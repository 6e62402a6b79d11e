"""Reads the owned partitions when somebody scrapes, from the thread that serves the page; costs nothing otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.worker.owned_partition import OwnedPartition


class PartitionCollector(Collector):
    """Every value is one that the event loop's thread set whole, so reading it from another is safe."""

    def __init__(
        self,
        *,
        owned: Callable[[], Collection[OwnedPartition]],
        lag: Callable[[OwnedPartition], int | None],
        clock_ms: Callable[[], int],
    ) -> None:
        self._owned, self._lag, self._clock_ms = owned, lag, clock_ms

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        partitions = list(self._owned())
        pending = GaugeMetricFamily("cartwheel_timers_pending", "Timers that wait for their moment.")
        pending.add_metric([], sum(one.core.pending for one in partitions))
        lag = GaugeMetricFamily("cartwheel_consumer_lag_records", "Records not yet processed.", labels=["partition"])
        position = GaugeMetricFamily("cartwheel_position", "Next offset to be processed.", labels=["partition"])
        for one in partitions:
            position.add_metric([str(one.number)], one.core.position)
            if (records := self._lag(one)) is not None:
                lag.add_metric([str(one.number)], records)
        behind = GaugeMetricFamily(
            "cartwheel_tick_through_lag_seconds",
            "From where timers are released through to now, the worst partition; up to a minute when nothing is due.",
        )
        now = self._clock_ms()
        behind.add_metric(
            [], max((now - (one.core.through_at or one.owned_at) for one in partitions), default=0) / 1000
        )
        skew = GaugeMetricFamily(
            "cartwheel_clock_skew_seconds", "The broker's clock less ours at the last tick, where it was furthest off."
        )
        skew.add_metric([], max((one.tick.skew_ms for one in partitions), key=abs, default=0) / 1000)
        yield from (pending, lag, position, behind, skew)
