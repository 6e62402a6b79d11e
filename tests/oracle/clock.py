"""Local time, naively: a second opinion on `docs/reference/clock.md` that shares nothing with `streams.clock`.

It reads the compiled zones of the database byte by byte (RFC 9636) into periods of one offset, and watches a clock.
Besides what the clock shows there is its *hand*: the latest reading so far, which stands still while an hour is
repeated and jumps over a gap. A wall time is when the hand reaches it, and a window is open while the hand is in it.
What comes next is waited for in steps of five minutes from when it is asked; so times of day are multiples of that
where this matters, as all changes of offset are in the years that it is asked about.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

FIRST_YEAR, LAST_YEAR = 2010, 2046
STEP_MS = 5 * 60_000
DAY_MS = 86_400_000
WALK_DAYS_MAX = 30

_EPOCH = date(1970, 1, 1)
_DATABASE = files("tzdata")


class Period(NamedTuple):
    """Between two changes of a zone."""

    begins_at: int
    ends_at: int
    offset_ms: int


class Hours(NamedTuple):
    """A window. No weekdays: all of them."""

    start_ms: int
    end_ms: int
    weekdays: Collection[int] = ()
    except_days: Collection[str] = ()


@lru_cache(maxsize=1)
def names() -> list[str]:
    """Every zone but the one that stands for none."""
    return sorted(set((_DATABASE / "zones").read_text().split()) - {"Factory"})


def content(zone: str) -> bytes:
    """The compiled file; zones with the same one are one zone."""
    return (_DATABASE / "zoneinfo").joinpath(*zone.split("/")).read_bytes()


@lru_cache(maxsize=1024)
def periods(zone: str) -> tuple[Period, ...]:
    """From before FIRST_YEAR until after LAST_YEAR."""
    data = content(zone)
    sizes = struct.unpack_from(">6l", data, 20)
    isut, isstd, leap, times, types, chars = sizes
    second = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    isut, isstd, leap, times, types, chars = struct.unpack_from(">6l", data, second + 20)
    place = second + 44
    instants = struct.unpack_from(f">{times}q", data, place)
    kinds = data[place + times * 8 : place + times * 9]
    offsets = [struct.unpack_from(">lBB", data, place + times * 9 + kind * 6)[0] for kind in range(types)]
    end = place + times * 9 + types * 6 + chars + leap * 12 + isstd + isut
    changes = [(at, offsets[kind]) for at, kind in zip(instants, kinds, strict=True)]
    after = max(instants, default=-(2**40))
    changes += [change for change in _by_rule(data[end:].decode().strip()) if change[0] > after]
    begin = [(-(2**40), offsets[0]), *sorted(changes)]
    ends = [at for at, _ in begin[1:]] + [2**40]
    lasting = [Period(at * 1000, end * 1000, offset * 1000) for (at, offset), end in zip(begin, ends, strict=True)]
    window = (_midnight(date(FIRST_YEAR, 1, 1)), _midnight(date(LAST_YEAR, 1, 1)))
    return tuple(period for period in lasting if period.ends_at > window[0] and period.begins_at < window[1])


_NAME = r"(?:<[^>]+>|[A-Za-z]+)"
_CLOCK = r"([+-]?\d+(?::\d+(?::\d+)?)?)"
_RULE = re.compile(rf"{_NAME}{_CLOCK}(?:{_NAME}{_CLOCK}?,(M[^,]+),(M[^,]+))?")


def _by_rule(rule: str) -> Iterator[tuple[int, int]]:
    """The changes that the rule at the end of a file goes on with, each year from FIRST_YEAR on."""
    match = _RULE.fullmatch(rule)
    assert match is not None, rule
    standard, summer, into, back = match.groups()
    usual = -_seconds(standard)
    if into is None:
        yield -(2**39), usual
        return
    other = usual + 3600 if summer is None else -_seconds(summer)
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        yield _moment(into, year) - usual, other
        yield _moment(back, year) - other, usual


def _seconds(text: str) -> int:
    hours, *rest = (int(part) for part in text.lstrip("+-").split(":"))
    minutes, seconds = (*rest, 0, 0)[:2]
    return (hours * 3600 + minutes * 60 + seconds) * (-1 if text.startswith("-") else 1)


def _moment(rule: str, year: int) -> int:
    """`M3.2.0/2`: second Sunday of March, two o'clock; week 5 is the last. Seconds on the wall."""
    where, _, clock = rule.removeprefix("M").partition("/")
    month, week, weekday = (int(part) for part in where.split("."))
    days = [date(year, month, 1) + timedelta(days=number) for number in range(31)]
    fitting = [day for day in days if day.month == month and day.isoweekday() % 7 == weekday]
    return _midnight(fitting[min(week, len(fitting)) - 1]) // 1000 + _seconds(clock or "2")


def _midnight(day: date) -> int:
    return (day - _EPOCH).days * DAY_MS


def _day(wall_ms: int) -> date:
    return _EPOCH + timedelta(days=wall_ms // DAY_MS)


def shown(at: int, zone: str) -> int:
    """What the clock shows, as milliseconds from 1970 on that clock."""
    around = _around(zone, at // DAY_MS)
    return next(at + period.offset_ms for period in around if period.begins_at <= at < period.ends_at)


def local(at: int, zone: str) -> tuple[date, int]:
    """The same as day and time of day."""
    return _day(shown(at, zone)), shown(at, zone) % DAY_MS


def hand(at: int, zone: str) -> int:
    """The latest reading up to now."""
    around = _around(zone, at // DAY_MS)
    return max(min(at, period.ends_at - 1) + period.offset_ms for period in around if period.begins_at <= at)


@lru_cache(maxsize=65_536)
def _around(zone: str, day: int) -> tuple[Period, ...]:
    """The periods of this day and the two before: no clock is turned back further."""
    begin, end = (day - 2) * DAY_MS, (day + 1) * DAY_MS
    return tuple(period for period in periods(zone) if period.ends_at > begin and period.begins_at < end)


def instant_of(day: date, ms_of_day: int, zone: str) -> int:
    """When the hand gets there."""
    wall_ms = _midnight(day) + ms_of_day
    for period in periods(zone):
        at = max(period.begins_at, wall_ms - period.offset_ms)
        if at < period.ends_at:
            return at
    raise AssertionError("beyond what the oracle knows")


def add(at: int, *, months: int, days: int, ms: int, zone: str) -> int:
    """Month by month and day by day; negative counts go back."""
    if months or days:
        day, ms_of_day = local(at, zone)
        first = day.replace(day=1)
        for _ in range(abs(months)):
            first = (first + timedelta(days=31 if months > 0 else -1)).replace(day=1)
        of_month = [first + timedelta(days=number) for number in range(31)]
        day = max(other for other in of_month if other.month == first.month and other.day <= day.day)
        for _ in range(abs(days)):
            day += timedelta(days=1 if days > 0 else -1)
        at = instant_of(day, ms_of_day, zone)
    return at + ms


def is_open(hours: Hours, at: int, zone: str) -> bool:
    """Whether the hand is in it."""
    now = hand(at, zone)
    today, ms_of_day = _day(now), now % DAY_MS
    if hours.start_ms < hours.end_ms:
        return hours.start_ms <= ms_of_day < hours.end_ms and _is_allowed(hours, today)
    if ms_of_day >= hours.start_ms:
        return _is_allowed(hours, today)
    return ms_of_day < hours.end_ms and _is_allowed(hours, today - timedelta(days=1))


def _is_allowed(hours: Hours, day: date) -> bool:
    return (not hours.weekdays or day.weekday() in hours.weekdays) and str(day) not in hours.except_days


def opens_at(hours: Hours, at: int, zone: str) -> int | None:
    """Waited for; None when nothing happens in 30 days."""
    return _wait(at, lambda moment: is_open(hours, moment, zone))


def closes_at(hours: Hours, at: int, zone: str) -> int | None:
    """Waited for, likewise."""
    return _wait(at, lambda moment: not is_open(hours, moment, zone))


def next_at(at: int, ms_of_day: int, zone: str, weekdays: Collection[int] = range(7)) -> int | None:
    """When the hand reaches, or jumps over, this time of an allowed day. Waited for."""

    def is_reached(moment: int) -> bool:
        before, now = hand(moment - 1, zone), hand(moment, zone)
        walls = (midnight + ms_of_day for midnight in range(before // DAY_MS * DAY_MS, now + 1, DAY_MS))
        return any(before < wall <= now and _day(wall).weekday() in weekdays for wall in walls)

    return _wait(at, is_reached)


def _wait(at: int, has_come: Callable[[int], bool]) -> int | None:
    steps = range(at, at + WALK_DAYS_MAX * DAY_MS, STEP_MS)
    return next((moment for moment in steps if has_come(moment)), None)
