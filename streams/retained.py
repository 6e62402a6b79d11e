"""The records since the snapshot that the local store holds: enough to make one profile anew, as after a crash.

Nothing that is done to a profile depends on another one; of the others' records only their time counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from schemas import codec
from schemas.command import Clock
from schemas.control import WATERMARK_KEY, Watermark
from schemas.profile import PartitionRecord
from streams.program import Program
from streams.unit import Record

NO_NEWS = codec.encode(Watermark(source="nobody", tenant="nobody", complete_through="1970-01-01T00:00:00.000Z"))


class Retained:
    """Units of work by reference: keeping them costs nothing per record."""

    def __init__(self, base: PartitionRecord | None, program: Program, *, clock: Clock) -> None:
        """`base` is the partition record in the local store, which is what `load` goes with; `program` was in force."""
        self.base, self.base_program = base, program
        self._next, self._carried = (base, program), clock == "carried"
        self._units: list[Sequence[Record]] = []

    def add(self, unit: Sequence[Record]) -> None:
        """A unit of work begins."""
        if unit:
            self._units.append(unit)

    def snapshot(self, record: PartitionRecord, program: Program) -> None:
        """This will be the base, once it is settled."""
        self._next = (record, program)

    def settled(self) -> None:
        """The last snapshot is in the local store."""
        self.base, self.base_program = self._next
        self._units = [unit for unit in self._units if unit[-1].offset >= self.position]

    @property
    def position(self) -> int:
        """The first record that the base does not include."""
        return self.base.position if self.base else 0

    def about(self, key: bytes, *, through: int, moments_only: bool) -> list[Record]:
        """What concerns one profile, up to this offset, of whose record only the time counts if `moments_only`.

        On a carried clock everybody's time lets go of timers, on a live one it only moves *now*.
        """
        now, found = self.base.now_at if self.base else 0, []
        for record in self._between(through):
            now = max(now, record.appended_at)
            own = record.key == key and not (moments_only and record.offset == through)
            if own or record.key[:1] == b"\x00":
                found.append(record if self._carried or record.appended_at < 0 else replace(record, appended_at=now))
            elif self._carried and record.appended_at >= 0:
                found.append(Record(record.offset, record.appended_at, WATERMARK_KEY, NO_NEWS))
        return found

    def _between(self, through: int) -> Iterator[Record]:
        return (one for unit in self._units for one in unit if self.position <= one.offset <= through)
