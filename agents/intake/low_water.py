"""The low-water mark of one raw partition: up to which append time everything there is in the profile log.

It is told by the broker's clock alone, and by *questions*. First the broker appends a record of ours at T; then we ask
for the end of the raw partition. Whatever is appended after that answer is appended at T or later. So once all below
the end is forwarded, the mark is T - 1 ms: 1 ms is taken off because several records share a millisecond. The mark
never moves back.

A forwarded record at append time T proves everything before T as well, and that is left unused on purpose. After an
outage the mark would walk through it, and reminders that were due then would go out ahead of the orders that lie
further on in the raw topic. So it jumps over an outage when all that lay there is forwarded.
"""

from __future__ import annotations

from schemas import instants
from schemas.control import Progress, Watermark
from schemas.refusals import Refused

SOURCES_MAX = 1_000

Source = tuple[str, str, str]  # tenant, source, shop


class LowWater:
    """What is known of one raw partition."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.through_at = 0
        self._watermarks: dict[Source, Watermark] = {}
        self._noted: dict[Source, Watermark] = {}
        self._asked_at = 0
        self._end: int | None = None

    def restore(self, progress: Progress) -> None:
        """Go on from what an owner before us wrote; of several records the furthest of each counts.

        That a process was revived after others took its partitions over shows only in a record that says less.
        """
        self._raise_to(instants.from_wire(progress.forwarded_through))
        for watermark in progress.watermarks:
            _keep_latest(self._watermarks, watermark)

    def note(self, watermark: Watermark) -> None:
        """A watermark was read. It counts from `acknowledged` on. Raises `Refused` if it is of one source too many."""
        sources = self._watermarks.keys() | self._noted.keys()
        if _source(watermark) not in sources and len(sources) >= SOURCES_MAX:
            found = f"raw partition {self.partition} already holds watermarks of {SOURCES_MAX} sources"
            raise Refused("too_many_sources", f"{found}; give a source one lasting name")
        _keep_latest(self._noted, watermark)

    def acknowledged(self) -> None:
        """Everything read so far is in the profile log."""
        for watermark in self._noted.values():
            _keep_latest(self._watermarks, watermark)
        self._noted = {}

    def asked(self, *, after: int, end: int) -> None:
        """A record of ours was appended `after`; later the end offset was `end`. One question at a time."""
        if self._end is None:
            self._asked_at, self._end = after, end

    def forwarded_below(self, offset: int) -> None:
        """All below this offset is in the profile log: that may answer the question."""
        if self._end is not None and offset >= self._end:
            self._raise_to(self._asked_at - 1)
            self._end = None

    def progress(self, next_offset: int) -> Progress:
        """The record to write."""
        return Progress(
            raw_partition=self.partition,
            forwarded_through=instants.to_wire(self.through_at),
            next_offset=next_offset,
            watermarks=tuple(self._watermarks[source] for source in sorted(self._watermarks)),
        )

    def _raise_to(self, instant: int) -> None:
        self.through_at = max(self.through_at, instant)


def _source(watermark: Watermark) -> Source:
    return watermark.tenant, watermark.source, watermark.shop


def _keep_latest(watermarks: dict[Source, Watermark], watermark: Watermark) -> None:
    known = watermarks.get(_source(watermark))
    # Wire instants are all of one form, so that they compare as text.
    if known is None or known.complete_through < watermark.complete_through:
        watermarks[_source(watermark)] = watermark
