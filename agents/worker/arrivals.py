"""What was fetched, as the core takes it: records with the time of this log's clock. What has none is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from schemas import codec
from schemas.command import Clock
from schemas.control import APPENDED_AT_HEADER
from streams.partition import Record
from streams.recorder import dead_letter

REASONS: dict[Clock, str] = {"live": "carried_time_on_live_log", "carried": "missing_carried_time"}


class Arrivals(NamedTuple):
    """The records for the core, and a dead letter for each of the others, under its reason."""

    records: list[Record]
    refused: list[tuple[str, bytes | None, bytes]]


def arrivals(fetched: Iterable[Any], *, clock: Clock, topic: str, partition: int) -> Arrivals:
    """On a live clock the time of a record is the broker's, on a carried one that of its header.

    Intake lets no record of the other kind through, so one that is found here was written by somebody else.
    """
    found = Arrivals([], [])
    for one in fetched:
        carried = _carried_time(one.headers) if one.headers else None
        if clock == "live" and carried is None:
            found.records.append(Record(one.offset, int(one.timestamp), one.key or b"", one.value or b""))
        elif clock == "carried" and carried is not None and carried.isdigit():
            found.records.append(Record(one.offset, int(carried), one.key or b"", one.value or b""))
        else:
            letter = dead_letter(
                reason=REASONS[clock],
                detail=f"the clock of this log is {clock}, the header {APPENDED_AT_HEADER} of this record {carried!r};"
                " only intake may write to the profile log",
                topic=topic,
                partition=partition,
                offset=one.offset,
                key=one.key or b"",
                value=one.value or b"",
                now=int(one.timestamp),
            )
            found.refused.append((REASONS[clock], one.key, codec.encode(letter)))
    return found


def _carried_time(headers: Iterable[tuple[str, bytes]]) -> bytes | None:
    return next((value for name, value in headers if name == APPENDED_AT_HEADER), None)
