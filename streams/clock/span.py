"""Spans: `4h` is exact, `1d` ends at the same wall time of the next day, `1mo` on the same day of the next month."""

from __future__ import annotations

import re
from datetime import date, timedelta

from schemas.span import Span
from streams.clock.wall import DAY_MS, instant_of, local

__all__ = ["DAYS_MAX", "MONTHS_MAX", "Span", "add", "parse_span", "subtract"]

DAYS_MAX = 3_660
MONTHS_MAX = 120

SPAN = re.compile("".join(rf"(?:([0-9]{{1,12}}){unit})?" for unit in ("y", "mo", "w", "d", "h", "m", "s", "ms")))


def parse_span(text: str) -> Span | None:
    """The span of `90s`, `2w`, `6mo`, `1d12h`: units from large to small, each once. `0` needs none.

    None when it is no span, counts more than 120 months, or days and exact time together exceed 3660 days.
    """
    match = SPAN.fullmatch(text)
    if not text or match is None:
        return Span() if text == "0" else None
    years, months, weeks, days, hours, minutes, seconds, ms = (int(count or 0) for count in match.groups())
    exact_ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms
    span = Span(months=years * 12 + months, days=weeks * 7 + days, ms=exact_ms)
    return span if span.months <= MONTHS_MAX and span.days * DAY_MS + span.ms <= DAYS_MAX * DAY_MS else None


def add(at: int, span: Span, zone: str) -> int:
    """Months first, then days, at the same wall time; what is exact last. Only months and days ask the zone."""
    return _moved(at, months=span.months, days=span.days, zone=zone) + span.ms


def subtract(at: int, span: Span, zone: str) -> int:
    """The same backward, in the same order: months, then days, then what is exact."""
    return _moved(at, months=-span.months, days=-span.days, zone=zone) - span.ms


def _moved(at: int, *, months: int, days: int, zone: str) -> int:
    if not months and not days:
        return at
    day, ms_of_day = local(at, zone)
    return instant_of(_months_on(day, months) + timedelta(days=days), ms_of_day, zone)


def _months_on(day: date, months: int) -> date:
    """The same day of another month, or its last one when it has no such day."""
    count = day.year * 12 + day.month - 1 + months
    last = date((count + 1) // 12, (count + 1) % 12 + 1, 1) - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))
