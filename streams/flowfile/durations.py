"""Durations as flow files write them: `90s`, `15m`, `4h`, `1d`, `2w`, `1h30m`.

Exact milliseconds. A day is a calendar day in the zone of the flow, which is UTC as long as flows have no time zone;
there every day has 24 hours.
"""

from __future__ import annotations

import re

from schemas.span import UNITS
from schemas.span import written as written

DURATION_MS_MAX = 3_660 * UNITS["d"]

PATTERN = "".join(rf"(?:([0-9]{{1,12}}){unit})?" for unit in UNITS)
_DURATION = re.compile(PATTERN)
_CALENDAR = re.compile(r"[0-9]+ *(?:mo|mon|M|y|months?|years?)")
_SPOKEN = re.compile(
    r"(?P<number>[0-9]{1,12}) *"
    r"(?P<unit>ms|[wdhms]|weeks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|milliseconds?)",
    re.IGNORECASE,
)


def parse(text: str) -> int | None:
    """Milliseconds, or None when this is no duration. `0` needs no unit."""
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return None
    return sum(int(count) * size for count, size in zip(match.groups(), UNITS.values(), strict=True) if count)


def is_calendar(text: str) -> bool:
    """Whether this counts months or years, whose length depends on the date."""
    return _CALENDAR.fullmatch(text) is not None


def suggest(text: str) -> str | None:
    """The duration that `15 minutes` or `4H` stands for."""
    match = _SPOKEN.fullmatch(text.strip())
    if match is None:
        return None
    unit = match["unit"].lower()
    return match["number"] + ("ms" if unit.startswith("mil") or unit == "ms" else unit[0])
