"""Intake's marks: how far every raw partition has been forwarded, and what the sources promised there.

A mark is worth something only together with the others: what limits the release of timers is the lowest of all raw
partitions, and a source is complete only as far as it is in each of them.
"""

from __future__ import annotations

from schemas.control import Progress, Watermark
from schemas.instants import from_wire, to_wire

Source = tuple[str, str, str]  # tenant, source, shop


class Marks:
    """The last mark of each raw partition. `version` grows with every change."""

    def __init__(self, *, raw_partitions: int) -> None:
        self._raw_partitions = raw_partitions
        self._forwarded: dict[int, int] = {}
        self._promised: dict[int, dict[Source, Watermark]] = {}
        self._watermarks: tuple[Watermark, ...] | None = ()
        self.version = 0

    def take(self, progress: Progress, *, fresh: bool) -> None:
        """A newer mark of one raw partition. Raises ValueError for an unknown partition and for a bad instant.

        `fresh`: it speaks of a time since we are listening. One of a time before tells what the sources have promised,
        which stays true, but not that nothing has come to the raw topic since.
        """
        number = progress.raw_partition
        if number >= self._raw_partitions:
            raise ValueError(f"raw partition {number} of {self._raw_partitions}")
        promised = {(mark.tenant, mark.source, mark.shop): mark for mark in progress.watermarks}
        for mark in promised.values():
            from_wire(mark.complete_through)
        forwarded_at = from_wire(progress.forwarded_through)
        if fresh:
            self._forwarded[number] = forwarded_at
        if self._promised.get(number) != promised:
            self._promised[number] = promised
            self._watermarks = None
            self.version += 1

    def low_water_at(self) -> int | None:
        """Up to here everything is in the profile log; `None` while some raw partition has no fresh mark."""
        if len(self._forwarded) < self._raw_partitions:
            return None
        return min(self._forwarded.values())

    def watermarks(self) -> tuple[Watermark, ...]:
        """Per source the lowest promise of all raw partitions; left out while one of them has none."""
        if self._watermarks is None:
            self._watermarks = self._lowest()
        return self._watermarks

    def _lowest(self) -> tuple[Watermark, ...]:
        if len(self._promised) < self._raw_partitions:
            return ()
        everywhere = set.intersection(*(set(promised) for promised in self._promised.values()))
        return tuple(self._lowest_of(source) for source in sorted(everywhere))

    def _lowest_of(self, source: Source) -> Watermark:
        marks = [promised[source] for promised in self._promised.values()]
        tenant, name, shop = source
        return Watermark(
            source=name,
            complete_through=to_wire(min(from_wire(mark.complete_through) for mark in marks)),
            tenant=tenant,
            shop=shop,
            estimated=any(mark.estimated for mark in marks),
        )
