"""Local time in every zone of the pinned database, 2024 to 2032, against an oracle that shares no code (semantics 5).

Around two changes of every zone, and at instants of chance. `CLOCK=full` walks every change of every name, finer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.clock.span import Span, add, subtract
from streams.clock.wall import instant_of, local, next_at
from streams.clock.window import Window, closes_at, is_open, opens_at, quiet_until
from streams.clock.zones import is_zone, zone_of_country
from tests.oracle import clock as oracle

FULL = os.environ.get("CLOCK") == "full"
FROM_AT, UNTIL_AT = 1_704_067_200_000, 1_988_150_400_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
CHANGES_OF_A_ZONE = 1_000 if FULL else 2
NAMES = oracle.names()
#: Names with the same content are one zone, unless everything is asked for.
ZONES = NAMES if FULL else sorted({oracle.content(name): name for name in NAMES}.values())
WEEKDAYS = [(), (0,), (5, 6), (0, 1, 2, 3, 4), (6,), (2, 4)]


def changes(zone: str) -> list[int]:
    return [period.begins_at for period in oracle.periods(zone) if FROM_AT < period.begins_at < UNTIL_AT]


def chosen(zone: str) -> list[int]:
    """Some changes of a zone, or else some instant."""
    found, chance = changes(zone), Random(zone)
    return chance.sample(found, min(CHANGES_OF_A_ZONE, len(found))) or [chance.randrange(FROM_AT, UNTIL_AT, HOUR_MS)]


def hours_of(window: Window) -> oracle.Hours:
    return oracle.Hours(window.start_ms, window.end_ms, window.weekdays, window.except_days)


def test_every_name_is_a_zone() -> None:
    assert all(map(is_zone, NAMES))
    assert len(NAMES) > 500


def test_all_changes_are_on_the_grid_of_the_oracle() -> None:
    for zone in ZONES:
        assert [at for at in changes(zone) if at % oracle.STEP_MS] == []


@pytest.mark.parametrize("zone", ZONES)
def test_a_wall_time_is_when_the_hand_reaches_it(zone: str) -> None:
    step_ms = 5 * MINUTE_MS if FULL else 15 * MINUTE_MS
    for change_at in chosen(zone):
        for at in range(change_at - 4 * HOUR_MS, change_at + 4 * HOUR_MS, step_ms):
            for moment in (at - 1, at, at + 1):
                assert local(moment, zone) == oracle.local(moment, zone)
                # Also the readings that the clock jumps over, which it would show under the other offset.
                for other in (-2 * HOUR_MS, -30 * MINUTE_MS, 0):
                    day, ms_of_day = divmod(oracle.shown(moment, zone) + other, DAY_MS)
                    wall = (date(1970, 1, 1) + timedelta(days=day), ms_of_day)
                    assert instant_of(*wall, zone) == oracle.instant_of(*wall, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_calendar_spans_keep_the_wall_time(zone: str) -> None:
    for change_at in chosen(zone):
        for at in range(change_at - 3 * HOUR_MS, change_at + 3 * HOUR_MS, 15 * MINUTE_MS):
            for span in (Span(days=1), Span(months=6), Span(months=1, days=2, ms=90 * MINUTE_MS), Span(ms=DAY_MS)):
                # So that it comes out near the change, and so that it goes out from there.
                for start_at in (at - span.days * DAY_MS, at + span.days * DAY_MS, at):
                    assert add(start_at, span, zone) == oracle.add(
                        start_at, months=span.months, days=span.days, ms=span.ms, zone=zone
                    )
                    assert subtract(start_at, span, zone) == oracle.add(
                        start_at, months=-span.months, days=-span.days, ms=-span.ms, zone=zone
                    )


def near(change_at: int, zone: str, chance: Random) -> Iterator[tuple[int, int, int]]:
    """When it is asked, and two times of day, all near a change."""
    for _ in range(40 if FULL else 3):
        asked_at = change_at + chance.randrange(-26 * HOUR_MS, 3 * HOUR_MS, oracle.STEP_MS)
        first, second = (
            oracle.shown(change_at + chance.randrange(-2 * HOUR_MS, 2 * HOUR_MS, oracle.STEP_MS), zone) % DAY_MS
            for _ in range(2)
        )
        yield asked_at, first, second


@pytest.mark.parametrize("zone", ZONES)
def test_what_comes_next_is_what_the_hand_reaches_next(zone: str) -> None:
    chance = Random(f"next {zone}")
    for change_at in chosen(zone):
        for at, start_ms, end_ms in near(change_at, zone, chance):
            assert next_at(at, start_ms, zone) == oracle.next_at(at, start_ms, zone)
            if start_ms != end_ms:
                judge(Window(start_ms, end_ms), at, zone)


def judge(window: Window, at: int, zone: str) -> None:
    hours = hours_of(window)
    assert is_open(window, at, zone) == oracle.is_open(hours, at, zone)
    assert opens_at(window, at, zone) == oracle.opens_at(hours, at, zone)
    closes = oracle.closes_at(hours, at, zone)
    if closes is not None:
        assert closes_at(window, at, zone) == quiet_until(window, at, zone) == closes


grid = st.integers(FROM_AT // oracle.STEP_MS, UNTIL_AT // oracle.STEP_MS).map(lambda step: step * oracle.STEP_MS)
times = st.integers(0, 287).map(lambda step: step * oracle.STEP_MS)
weekdays = st.sampled_from(WEEKDAYS)
zones = st.sampled_from(ZONES)
few = settings(max_examples=2_000 if FULL else 60, deadline=None, derandomize=not FULL)
many = settings(max_examples=20_000 if FULL else 600, deadline=None, derandomize=not FULL)


@few
@given(grid, times, zones, weekdays)
def test_weekdays_are_judged_locally(at: int, ms_of_day: int, zone: str, days: tuple[int, ...]) -> None:
    found = next_at(at, ms_of_day, zone, frozenset(days))
    assert found == oracle.next_at(at, ms_of_day, zone, days or range(7))
    assert next_at(found, ms_of_day, zone, frozenset(days)) == found


@few
@given(grid, times, times, zones, weekdays, st.integers(0, 3))
def test_windows_belong_to_the_day_they_start_on(
    at: int, start_ms: int, end_ms: int, zone: str, days: tuple[int, ...], holidays: int
) -> None:
    today, _ = oracle.local(at, zone)
    except_days = tuple(str(today + timedelta(days=number - 1)) for number in range(holidays))
    judge(Window(start_ms, end_ms if end_ms != start_ms else DAY_MS, days, except_days), at, zone)


@many
@given(st.integers(FROM_AT, UNTIL_AT), zones, st.integers(0, DAY_MS - 1), st.integers(1, DAY_MS), weekdays)
def test_any_millisecond(at: int, zone: str, start_ms: int, end_ms: int, days: tuple[int, ...]) -> None:
    assert local(at, zone) == oracle.local(at, zone)
    if start_ms != end_ms:
        window = Window(start_ms, end_ms, days)
        assert is_open(window, at, zone) == oracle.is_open(hours_of(window), at, zone)
        opens, closes = opens_at(window, at, zone), quiet_until(window, at, zone)
        assert opens is not None
        assert oracle.is_open(hours_of(window), opens, zone)
        assert opens == at or not oracle.is_open(hours_of(window), opens - 1, zone)
        assert (closes is None) == (window == Window(0, DAY_MS))
        if closes is not None:
            assert closes == at or oracle.is_open(hours_of(window), closes - 1, zone)
            assert not oracle.is_open(hours_of(window), closes, zone)


@many
@given(st.integers(FROM_AT, UNTIL_AT), zones, st.integers(0, 120), st.integers(0, 400), st.integers(0, 40 * DAY_MS))
def test_any_span(at: int, zone: str, months: int, days: int, ms: int) -> None:
    span = Span(months, days, ms)
    assert add(at, span, zone) == oracle.add(at, months=months, days=days, ms=ms, zone=zone)
    assert subtract(at, span, zone) == oracle.add(at, months=-months, days=-days, ms=-ms, zone=zone)


def test_a_country_has_a_zone_when_all_of_its_zones_are_alike() -> None:
    named: dict[str, list[str]] = {}
    for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text().splitlines():
        if not line.startswith("#"):
            named.setdefault(line[:2], []).append(line.split("\t")[2])
    for country, of_country in named.items():
        alike = len({offsets(zone) for zone in of_country}) == 1
        assert zone_of_country(country) == (of_country[0] if alike else None)


def offsets(zone: str) -> tuple[tuple[int, int], ...]:
    """When another offset than before begins, from the first instant of 2024 to the last of 2032."""
    found: list[tuple[int, int]] = []
    for period in oracle.periods(zone):
        begins_at = max(period.begins_at, FROM_AT)
        if begins_at < min(period.ends_at, UNTIL_AT) and (not found or found[-1][1] != period.offset_ms):
            found.append((begins_at, period.offset_ms))
    return tuple(found)
