"""A stretch of time as flows write it: calendar months, then calendar days, then exact milliseconds."""

from __future__ import annotations

import msgspec


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """None is negative. How long it lasts depends on where and from when it is counted: `streams.clock.span`."""

    months: int = 0
    days: int = 0
    ms: int = 0
