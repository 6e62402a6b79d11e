"""The reference: what the benchmark's flow must do with a recorded log, written down naively and only for that flow.

It shares no code with the worker, and nothing else needs it to be general: `tests/oracle` is that.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from benchmarks.traffic import CHECKOUT, ORDER

WAIT_MS = 2_000
TOTAL_MIN = 20.0


class Due(NamedTuple):
    """A command that must come: which tick releases it, to whom, and for which checkout."""

    offset: int
    key: bytes
    checkout_id: str


@dataclass(slots=True)
class _Person:
    ids: set[str] = field(default_factory=set)
    checkout_id: str | None = None  # of the live enrollment
    anchor_at: int = 0
    moment: int = 0
    ordered_at: int = -1


class _Value(msgspec.Struct):
    amount: str


class _Properties(msgspec.Struct):
    checkout_id: str = ""


class _Event(msgspec.Struct):
    id: str
    type: str
    time: datetime
    properties: _Properties
    value: _Value | None = None


class _Tick(msgspec.Struct):
    through: datetime


_read_event = msgspec.json.Decoder(_Event).decode
_read_tick = msgspec.json.Decoder(_Tick).decode


class Reference:
    """One partition. Take every record once, in order; then ask about any prefix of them."""

    def __init__(self) -> None:
        self.due: list[Due] = []
        self.end = 0
        self._ticks: list[int] = []
        self._duplicates: list[int] = []
        self._people: dict[bytes, _Person] = defaultdict(_Person)
        self._timers: list[tuple[int, bytes]] = []
        self._now = 0

    def take(self, *, offset: int, appended_at: int, key: bytes, value: bytes) -> None:
        """The next record."""
        assert offset == self.end, "a log without gaps"
        self.end = offset + 1
        self._now = max(self._now, appended_at)
        if key.startswith(b"\x00"):
            self._ticks.append(offset)
            self._release(offset, through=_milliseconds(_read_tick(value).through))
            return
        event = _read_event(value)
        person = self._people[key]
        if event.id in person.ids:
            self._duplicates.append(offset)
            return
        person.ids.add(event.id)
        if event.type == ORDER:
            self._order(person, at=_milliseconds(event.time))
        elif event.type == CHECKOUT:
            self._checkout(key, person, event, at=_milliseconds(event.time))

    def events(self, position: int) -> int:
        """How many events, copies included, lie before a position."""
        return position - bisect_left(self._ticks, position)

    def duplicates(self, position: int) -> int:
        """How many of those are second copies."""
        return bisect_left(self._duplicates, position)

    def commands(self, position: int) -> list[Due]:
        """What must have been ordered by whoever has processed everything before a position."""
        return self.due[: bisect_left(self.due, position, key=lambda due: due.offset)]

    def _order(self, person: _Person, *, at: int) -> None:
        person.ordered_at = max(person.ordered_at, at)
        if person.checkout_id is not None and at > person.anchor_at:
            person.checkout_id = None

    def _checkout(self, key: bytes, person: _Person, event: _Event, *, at: int) -> None:
        enough = event.value is not None and float(event.value.amount) >= TOTAL_MIN
        if not enough or person.checkout_id is not None or person.ordered_at > at:
            return
        person.checkout_id = event.properties.checkout_id
        person.anchor_at = at
        person.moment = max(at + WAIT_MS, self._now)
        heapq.heappush(self._timers, (person.moment, key))

    def _release(self, offset: int, *, through: int) -> None:
        while self._timers and self._timers[0][0] <= through:
            moment, key = heapq.heappop(self._timers)
            person = self._people[key]
            if person.checkout_id is not None and person.moment == moment:
                self.due.append(Due(offset, key, person.checkout_id))
                person.checkout_id = None


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
