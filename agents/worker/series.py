"""Counters and histograms that a unit of work pays for once, not once per event. Every series is there from the start.

The event loop's thread adds, the thread that serves the page reads. No lock: what is declared later comes in a new
dictionary, the shape of none ever changes, and a number read a moment too early is read again at the next scrape.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

FLOW_LABELS_MAX = 500
SOURCE_LABELS_MAX = 50
#: Flows and sources beyond the first by name, and whatever a newer core counts that is not declared here.
OTHER = "_other"

Labels = tuple[str, ...]


def flow_labels(flows: Iterable[str]) -> dict[str, str]:
    """The label of each flow: its own name, for at most 500 of them."""
    return {name: name if place < FLOW_LABELS_MAX else OTHER for place, name in enumerate(sorted(flows))}


class Totals(Collector):
    """One counter. Combinations of labels that were not declared count as `_other`, so that there is an end to them."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = (), declared: Iterable[Labels] = ()) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._other: Labels = (OTHER,) * len(labels)
        self._values: dict[Labels, int] = dict.fromkeys([*declared, self._other], 0)

    def declare(self, more: Iterable[Labels]) -> None:
        """Count these by themselves from now on."""
        self._values = dict.fromkeys(more, 0) | self._values

    def add(self, count: int, labels: Labels = ()) -> None:
        """So many more."""
        self._values[labels if labels in self._values else self._other] += count

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        yield family


class Histogram(Collector):
    """One histogram of seconds. Undeclared labels count as `_other`."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], labels: Sequence[str] = (), declared: Iterable[Labels] = ()
    ) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._bounds = tuple(map(float, bounds))
        self._bounds_ms = tuple(bound * 1000 for bound in self._bounds)
        self._other: Labels = (OTHER,) * len(labels)
        self._counts = {one: [0] * (len(bounds) + 1) for one in [*declared, self._other]}
        self._sums_ms = dict.fromkeys(self._counts, 0.0)

    def declare(self, more: Iterable[Labels]) -> None:
        """Keep these by themselves from now on."""
        new = [labels for labels in more if labels not in self._counts]
        self._sums_ms = self._sums_ms | dict.fromkeys(new, 0.0)
        self._counts = self._counts | {labels: [0] * (len(self._bounds) + 1) for labels in new}

    def observe_ms(self, values: list[float] | list[int], labels: Labels = ()) -> None:
        """All of these, in milliseconds; the list is sorted in place. Many at once cost little more than one.

        Those below zero, where the clocks of two machines differ, count as zero.
        """
        labels = labels if labels in self._counts else self._other
        values.sort()
        if values and values[0] < 0:
            values = [max(0, value) for value in values]
        counts, below = self._counts[labels], 0
        for place, bound in enumerate(self._bounds_ms):
            through = bisect_right(values, bound, lo=below)
            counts[place] += through - below
            below = through
        counts[-1] += len(values) - below
        self._sums_ms[labels] += sum(values)

    def observe(self, seconds: float) -> None:
        """One."""
        self.observe_ms([seconds * 1000])

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for labels, counts in self._counts.items():
            buckets, below = [], 0
            for bound, count in zip([*self._bounds, "+Inf"], list(counts), strict=True):
                below += count
                buckets.append((str(bound), below))
            family.add_metric(labels, buckets, self._sums_ms[labels] / 1000)
        yield family
