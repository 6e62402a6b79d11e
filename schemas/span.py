"""A stretch of time as flows write it: calendar months, then calendar days, then exact milliseconds."""

from __future__ import annotations

import msgspec

UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """None is negative. How long it lasts depends on where and from when it is counted: `streams.clock.span`."""

    months: int = 0
    days: int = 0
    ms: int = 0


def written(ms: int) -> str:
    """A duration as a flow file would write it: `45m`, `1h30m`; in days from two of them on."""
    text = ""
    for unit, size in UNITS.items():
        if unit != "w" and ms >= size * (2 if unit == "d" else 1):
            text += f"{ms // size}{unit}"
            ms %= size
    return text or "0s"
