"""Spans: lengths of time, of which months and days depend on the calendar."""

from __future__ import annotations

import msgspec


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """Calendar months, then calendar days at the same wall time, then exact milliseconds; none is negative."""

    months: int = 0
    days: int = 0
    ms: int = 0
