"""What was fetched, as the core takes it: records with the time of this log's clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from schemas import codec
from schemas.command import Clock
from schemas.control import APPENDED_AT_HEADER
from schemas.dead_letter import attempt_of
from schemas.instants import from_datetime
from streams.unit import NO_TIME, Record


def carried_time(event: bytes) -> list[tuple[str, bytes]]:
    """The header by which an event that a flow reports brings its time, on a carried clock."""
    return [(APPENDED_AT_HEADER, b"%d" % from_datetime(codec.decode_event(event).time))]


def arrivals(fetched: Iterable[Any], *, clock: Clock, replayed: Callable[[], object] = lambda: None) -> list[Record]:
    """`replayed` is called for each record that an operator has written again.

    On a live clock the time of a record is the broker's, on a carried one that of its header.

    Intake lets no record of the other kind through, so one that is found here was written by somebody else: it has no
    time, and the core refuses it.
    """
    return [
        Record(one.offset, int(one.timestamp), one.key or b"", one.value or b"")
        if clock == "live" and not one.headers
        else _with_headers(one, clock, replayed)
        for one in fetched
    ]


def _with_headers(one: Any, clock: Clock, replayed: Callable[[], object]) -> Record:
    carried = next((value for name, value in one.headers if name == APPENDED_AT_HEADER), None)
    if clock == "live":
        appended_at = int(one.timestamp) if carried is None else NO_TIME
    else:
        appended_at = int(carried) if carried is not None and carried.isdigit() else NO_TIME
    attempt = attempt_of(one.headers)
    if attempt > 1:
        replayed()
    return Record(one.offset, appended_at, one.key or b"", one.value or b"", attempt)
