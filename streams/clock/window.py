"""Windows: hours in which something may happen. Quiet hours are a window in which it may not.

A window is a stretch of instants: from when the clock first shows its start, or a later time, until it first shows its
end, or a later time. So it opens at most once on a day. An hour that occurs twice is in it as a whole if it lasts until
the end of that hour; if it ends within, it ends the first time. What a gap swallows whole does not open that day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

from schemas.window import Window
from streams.clock.wall import DAY_MS, instant_of, local, parse_time

__all__ = ["DAYS_MAX", "Window", "closes_at", "is_open", "opens_at", "parse_window", "quiet_until"]

DAYS_MAX = 400  # so far ahead somebody looks for an opening, or for an end


def parse_window(text: str) -> tuple[int, int] | None:
    """Start and end of `08:00-21:00` or `22:00-07:00`. The whole day is `00:00-24:00`; start and end differ."""
    first, _, last = text.partition("-")
    start_ms, end_ms = parse_time(first), parse_time(last, end=True)
    return None if start_ms is None or end_ms is None or start_ms == end_ms else (start_ms, end_ms)


def is_open(window: Window, at: int, zone: str) -> bool:
    """Whether `at` lies in the window."""
    return any(start <= at < end for start, end in _stretches(window, at, zone, days=1))


def opens_at(window: Window, at: int, zone: str) -> int | None:
    """The first instant from `at` on at which it is open; None when it does not open within 400 days."""
    stretches = _stretches(window, at, zone, days=DAYS_MAX)
    return next((max(at, start) for start, end in stretches if max(at, start) < end), None)


def closes_at(window: Window, at: int, zone: str) -> int:
    """The first instant from `at` on at which it is not open; when it never closes, the end of the 400th day."""
    return _closing(window, at, zone)[0]


def quiet_until(window: Window, at: int, zone: str) -> int | None:
    """The first instant from `at` on outside these quiet hours; None when they do not end within 400 days."""
    until, closed = _closing(window, at, zone)
    return until if closed else None


def _closing(window: Window, at: int, zone: str) -> tuple[int, bool]:
    """The end of what is open at `at`, and whether it is one. Whole days follow each other without a pause."""
    for start, end in _stretches(window, at, zone, days=DAYS_MAX):
        if at < start:
            return at, True
        at = max(at, end)
    return at, not is_open(window, at, zone)


def _stretches(window: Window, at: int, zone: str, *, days: int) -> Iterator[tuple[int, int]]:
    """In order, from that of yesterday. With tomorrow's, for the clock can be set back over midnight."""
    today, _ = local(at, zone)
    for number in range(-1, days + 1):
        day = today + timedelta(days=number)
        if (not window.weekdays or day.weekday() in window.weekdays) and day.isoformat() not in window.except_days:
            yield _stretch(day, window.start_ms, window.end_ms, zone)


@lru_cache(maxsize=16_384)
def _stretch(day: date, start_ms: int, end_ms: int, zone: str) -> tuple[int, int]:
    if end_ms < start_ms:
        end_ms += DAY_MS
    return instant_of(day, start_ms, zone), instant_of(day, end_ms, zone)
