"""Wall times: what a clock on the wall of a zone shows, and when.

One rule for the two days a year on which that is hard: a wall time is the first instant at which the clock shows it or
a later one. So a time that is skipped is the first instant after the gap, and one that occurs twice counts once, the
first time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from streams.clock.zones import first_change, offset_ms, zone_info

DAY_MS = 86_400_000
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALL = frozenset(range(7))

_EPOCH_MS = date(1970, 1, 1).toordinal() * DAY_MS
# So far apart that no step counted from within leaves the calendar, which has the years 1 to 9999.
_EARLIEST_AT = date(100, 1, 1).toordinal() * DAY_MS - _EPOCH_MS
_LATEST_AT = date(9900, 1, 1).toordinal() * DAY_MS - _EPOCH_MS
TIME = re.compile(r"([0-9]{2}):([0-5][0-9])(?::([0-5][0-9]))?")
_DAYS_LOOKED_AT = range(-1, 10)


def instant_of(day: date, ms_of_day: int, zone: str) -> int:
    """When the clock first shows this time of this day, or a later one. 24:00 is 00:00 of the next day."""
    info = zone_info(zone)
    wall_ms = day.toordinal() * DAY_MS + ms_of_day - _EPOCH_MS
    wall = datetime(day.year, day.month, day.day, tzinfo=info) + timedelta(milliseconds=ms_of_day)
    first, second = (wall_ms - offset_ms(wall.replace(fold=fold)) for fold in (0, 1))
    # Of a skipped time the library gives the two instants at which the clock would show it under the offset before the
    # gap and under the one behind it, and the gap begins between them.
    return first if first <= second else first_change(info, after=second, until=first)


def local(at: int, zone: str) -> tuple[date, int]:
    """The day that the clock shows, and the milliseconds of that day. Before the year 100 and after 9900 it stands."""
    at = min(max(at, _EARLIEST_AT), _LATEST_AT)
    shown = datetime.fromtimestamp(at // 1000, zone_info(zone))
    return shown.date(), ((shown.hour * 60 + shown.minute) * 60 + shown.second) * 1000 + at % 1000


def next_at(at: int, ms_of_day: int, zone: str, weekdays: frozenset[int] = ALL) -> int:
    """The first instant from `at` on that is this time of an allowed day; `at` itself if it is. No weekday: every day.

    A skipped time counts for the weekday on which it was skipped. The clock can be set back over midnight, so the day
    before and the day after the one it shows are asked too.
    """
    today, _ = local(at, zone)
    for days in _DAYS_LOOKED_AT:
        day = today + timedelta(days=days)
        if not weekdays or day.weekday() in weekdays:
            moment = _moment(day, ms_of_day, zone)
            if moment >= at:
                return moment
    return at  # Each weekday occurs among ten days, so this is behind the year 9900.


# Many people wait for the same time of the same day.
_moment = lru_cache(maxsize=16_384)(instant_of)


def parse_time(text: str, *, end: bool = False) -> int | None:
    """Milliseconds after midnight of `09:00` or `23:59:30`; of `24:00` too, if it may be an end."""
    match = TIME.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    ms_of_day = ((hours * 60 + minutes) * 60 + seconds) * 1000
    return ms_of_day if ms_of_day < DAY_MS or (end and ms_of_day == DAY_MS) else None


def parse_weekdays(words: Sequence[str]) -> frozenset[int] | None:
    """The weekdays of `mon`, `mon-fri`, `fri-mon`; None when there is none, or a word is something else."""
    days: set[int] = set()
    for word in words:
        first, dash, last = word.partition("-")
        if first not in WEEKDAYS or (dash and (last not in WEEKDAYS or last == first)):
            return None
        start = WEEKDAYS.index(first)
        days.update((start + step) % 7 for step in range((WEEKDAYS.index(last or first) - start) % 7 + 1))
    return frozenset(days) or None
