"""How times, spans, weekdays and windows are written, and what holds at their bounds."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from streams.clock.span import Span, add, parse_span, subtract
from streams.clock.wall import ALL, instant_of, local, next_at, parse_time, parse_weekdays
from streams.clock.window import Window, closes_at, is_open, opens_at, parse_window, quiet_until
from tests.data.clock_cases import instant

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0", Span()),
        ("0d", Span()),
        ("250ms", Span(ms=250)),
        ("90s", Span(ms=90 * SECOND)),
        ("15m", Span(ms=15 * MINUTE)),
        ("4h", Span(ms=4 * HOUR)),
        ("1h30m", Span(ms=90 * MINUTE)),
        ("24h", Span(ms=DAY)),
        ("1d", Span(days=1)),
        ("1d12h", Span(days=1, ms=12 * HOUR)),
        ("2w", Span(days=14)),
        ("1w1d", Span(days=8)),
        ("6mo", Span(months=6)),
        ("1y", Span(months=12)),
        ("1y6mo", Span(months=18)),
        ("1y2mo3w4d5h6m7s8ms", Span(14, 25, 5 * HOUR + 6 * MINUTE + 7 * SECOND + 8)),
        ("120mo", Span(months=120)),
        ("10y", Span(months=120)),
        ("3660d", Span(days=3660)),
        ("3659d24h", Span(days=3659, ms=DAY)),
        ("87840h", Span(ms=3660 * DAY)),
    ],
)
def test_a_span_is_read(text: str, span: Span) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "", "1", "00", "d", "1 d", " 1d", "1d ", "-1d", "+1d", "1.5h", "1,5h", "1D", "1M", "1mon", "1month", "1min",
        "1day", "12h1d", "1m1h", "1d1d", "1mo1y", "1s1m", "1h 30m", "P1D", "٣d", "1d\n", "121mo", "10y1mo", "11y",
        "3661d", "3660d1ms", "523w", "87841h", "9999999999999d", "9" * 5_000 + "d",
    ],
)  # fmt: skip
def test_anything_else_is_no_span(text: str) -> None:
    assert parse_span(text) is None


def test_an_exact_span_does_not_ask_the_zone() -> None:
    assert add(1_000, Span(ms=5), "Nowhere/Land") == 1_005
    assert subtract(1_000, Span(ms=5), "Nowhere/Land") == 995
    with pytest.raises(ValueError, match="Nowhere/Land"):
        add(1_000, Span(days=1), "Nowhere/Land")


@pytest.mark.parametrize(
    ("text", "ms_of_day"),
    [("00:00", 0), ("09:00", 9 * HOUR), ("23:59", DAY - MINUTE), ("23:59:30", DAY - 30 * SECOND)],
)
def test_a_time_is_read(text: str, ms_of_day: int) -> None:
    assert parse_time(text) == parse_time(text, end=True) == ms_of_day


@pytest.mark.parametrize(
    "text",
    [
        "", "9", "9:00", "09:0", "0900", "09.00", "09:60", "25:00", "24:01", "09:00:60", "09:00:00.5", "9am", "09:00 ",
        "-1:00", "09:00Z", "24:00:01", "٣٩:٣٣",
    ],
)  # fmt: skip
def test_anything_else_is_no_time(text: str) -> None:
    assert parse_time(text) is None
    assert parse_time(text, end=True) is None


def test_the_end_of_the_day_is_an_end_only() -> None:
    assert parse_time("24:00") is None
    assert parse_time("24:00", end=True) == parse_time("24:00:00", end=True) == DAY


@pytest.mark.parametrize(
    ("words", "days"),
    [
        (["mon"], {0}),
        (["sun"], {6}),
        (["mon", "wed", "fri"], {0, 2, 4}),
        (["mon-fri"], {0, 1, 2, 3, 4}),
        (["sat-sun"], {5, 6}),
        (["fri-mon"], {4, 5, 6, 0}),
        (["sun-sat"], set(ALL)),
        (["mon-tue", "tue", "sat"], {0, 1, 5}),
    ],
)
def test_weekdays_are_read(words: list[str], days: set[int]) -> None:
    assert parse_weekdays(words) == frozenset(days)


@pytest.mark.parametrize(
    "words",
    [[], [""], ["Mon"], ["monday"], ["mo"], ["mon-"], ["-mon"], ["mon-mon"], ["mon-tue-wed"], ["mon", "x"], "mon"],
)
def test_anything_else_is_no_weekday(words: list[str]) -> None:
    assert parse_weekdays(words) is None


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("08:00-21:00", (8 * HOUR, 21 * HOUR)),
        ("22:00-07:00", (22 * HOUR, 7 * HOUR)),
        ("22:00-00:00", (22 * HOUR, 0)),
        ("22:00-24:00", (22 * HOUR, DAY)),
        ("00:00-24:00", (0, DAY)),
        ("00:00:30-00:01", (30 * SECOND, MINUTE)),
    ],
)
def test_a_window_is_read(text: str, bounds: tuple[int, int]) -> None:
    assert parse_window(text) == bounds


@pytest.mark.parametrize(
    "text",
    [
        "", "-", "08:00", "08:00-", "-21:00", "08:00-08:00", "00:00-00:00", "24:00-08:00", "08:00 - 21:00", "8-21",
        "08:00\N{EN DASH}21:00", "08:00-21:00-22:00", "08:00-25:00",
    ],
)  # fmt: skip
def test_anything_else_is_no_window(text: str) -> None:
    assert parse_window(text) is None


def test_until_midnight_is_until_midnight_either_way() -> None:
    at = instant("2026-08-14T23:00+02:00")
    for end_ms in (0, DAY):
        assert closes_at(Window(22 * HOUR, end_ms), at, "Europe/Berlin") == instant("2026-08-15T00:00+02:00")


def test_spans_and_windows_survive_a_flow() -> None:
    for value in (Span(), Span(months=6), Span(days=1, ms=5), Window(1, 2), Window(3, 2, (0, 4), ("2026-12-25",))):
        assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
    assert msgspec.json.encode(Span(days=1)) == b'{"days":1}'


def test_nobody_looks_further_than_400_days() -> None:
    at = instant("2026-08-15T10:00+00:00")
    days = [date.fromordinal(date(2026, 8, 14).toordinal() + number).isoformat() for number in range(402)]
    # From yesterday to the 399th day it is closed, and on the 400th it opens.
    assert opens_at(Window(0, DAY, (), tuple(days[:401])), at, "UTC") == instant("2027-09-19T00:00+00:00")
    assert opens_at(Window(0, DAY, (), tuple(days)), at, "UTC") is None
    assert closes_at(Window(0, DAY, (), tuple(days)), at, "UTC") == at
    assert quiet_until(Window(0, DAY, (), tuple(days)), at, "UTC") == at
    assert quiet_until(Window(0, DAY), at, "UTC") is None
    assert closes_at(Window(0, DAY), at, "UTC") == instant("2027-09-20T00:00+00:00")


def test_no_weekday_is_every_day() -> None:
    at = instant("2026-08-15T10:00+00:00")
    assert next_at(at, 9 * HOUR, "UTC", frozenset()) == next_at(at, 9 * HOUR, "UTC")


@pytest.mark.parametrize("at", [-(2**62), -62_135_596_800_000, 253_402_300_799_999, 2**62])
def test_no_instant_is_too_far_away(at: int) -> None:
    """Somebody's date of birth is year 1, or a coupon never expires: that must not stop a partition."""
    zone = "America/New_York"
    day, _ = local(at, zone)
    assert 99 <= day.year <= 9900
    for span in (Span(months=120), Span(days=3660)):
        assert add(at, span, zone) > subtract(at, span, zone)
    assert isinstance(instant_of(date.max, DAY - 1, zone), int)
    assert isinstance(instant_of(date.min, 0, zone), int)
    assert isinstance(is_open(Window(0, DAY), at, zone), bool)
    for window in (Window(8 * HOUR, 21 * HOUR), Window(22 * HOUR, 7 * HOUR)):
        assert closes_at(window, at, zone) >= at
        assert (opens_at(window, at, zone) or at) >= at
    assert next_at(at, 9 * HOUR, zone) >= at
