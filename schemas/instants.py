"""Instants: milliseconds since the epoch, UTC, inside; RFC 3339 with `Z` and milliseconds outside.

An `int` compares, adds and packs without surprises and costs nothing on the hot path; the wire form is for people.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def from_datetime(moment: datetime) -> int:
    """Milliseconds of an aware datetime, rounded down. Raises TypeError for a naive one."""
    since = moment - EPOCH  # dividing it would make integers too large to be quick
    return since.days * 86_400_000 + (since.seconds * 1000 + since.microseconds // 1000)


def to_datetime(instant: int) -> datetime:
    """The aware UTC datetime of an instant."""
    return EPOCH + instant * MILLISECOND


@lru_cache(maxsize=1024)
def to_wire(instant: int) -> str:
    """`2026-11-21T10:00:00.000Z`. What is written at one time is mostly of the same few instants."""
    seconds, milliseconds = divmod(instant, 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    """Most instants that are written are of the same few seconds, and naming a second is what costs."""
    return to_datetime(seconds * 1000).isoformat().removesuffix("+00:00")


def from_wire(text: str) -> int:
    """The instant of an RFC 3339 text. Raises ValueError when it is malformed or has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without offset: {text!r}; write it with Z or an offset such as +01:00")
    return from_datetime(moment)
