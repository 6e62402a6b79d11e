"""The golden cases of local time: the engine, the oracle and the reference say what the table says.

Semantics 5.1 to 5.4, and every row of the clock table that other tools were measured with.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.clock.span import add, parse_span, subtract
from streams.clock.wall import instant_of, next_at, parse_time, parse_weekdays
from streams.clock.window import Window, closes_at, is_open, opens_at, parse_window, quiet_until
from tests.data.clock_cases import Case, cases, page
from tests.oracle import clock as oracle

CASES = cases()
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "clock.md"
NO_WINDOW = Window(0, 1)


def time_of(case: Case) -> int:
    ms_of_day = parse_time(case.value.rpartition(" ")[2], end=case.ask == "wall")
    assert ms_of_day is not None
    return ms_of_day


def window_of(case: Case) -> Window:
    bounds, weekdays = parse_window(case.value), parse_weekdays(case.weekdays)
    assert bounds is not None
    return Window(*bounds, weekdays=tuple(sorted(weekdays or ())), except_days=case.except_days)


def engine(case: Case) -> int | None:
    span = parse_span(case.value)
    match case.ask:
        case "next":
            weekdays = parse_weekdays(case.weekdays)
            assert (weekdays is not None) == bool(case.weekdays)
            return next_at(case.asked_at, time_of(case), case.zone, weekdays or frozenset(range(7)))
        case "wall":
            return instant_of(case.day, time_of(case), case.zone)
        case "add" | "subtract":
            assert span is not None
            return (add if case.ask == "add" else subtract)(case.asked_at, span, case.zone)
        case "opens":
            return opens_at(window_of(case), case.asked_at, case.zone)
        case "closes":
            return closes_at(window_of(case), case.asked_at, case.zone)
        case _:
            return quiet_until(window_of(case), case.asked_at, case.zone)


def second_opinion(case: Case) -> int | None:
    window = window_of(case) if case.ask in ("opens", "closes", "quiet") else NO_WINDOW
    hours = oracle.Hours(window.start_ms, window.end_ms, window.weekdays, window.except_days)
    weekdays = parse_weekdays(case.weekdays) or range(7)
    match case.ask:
        case "next":
            return oracle.next_at(case.asked_at, time_of(case), case.zone, weekdays)
        case "wall":
            return oracle.instant_of(case.day, time_of(case), case.zone)
        case "add" | "subtract":
            span, way = parse_span(case.value), 1 if case.ask == "add" else -1
            assert span is not None
            return oracle.add(
                case.asked_at, months=way * span.months, days=way * span.days, ms=way * span.ms, zone=case.zone
            )
        case "opens":
            return oracle.opens_at(hours, case.asked_at, case.zone)
        case _:
            return oracle.closes_at(hours, case.asked_at, case.zone)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.ask}: {case.says} ({case.zone})")
def test_the_engine_gives_the_answer(case: Case) -> None:
    assert engine(case) == case.answer_at


# The oracle waits in steps of five minutes from when it is asked.
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.ask in ("add", "subtract", "wall") or case.asked_at % oracle.STEP_MS == 0],
    ids=lambda case: f"{case.ask}: {case.says} ({case.zone})",
)
def test_the_oracle_gives_the_answer(case: Case) -> None:
    assert second_opinion(case) == case.answer_at


@pytest.mark.parametrize("case", [case for case in CASES if case.ask == "opens"], ids=lambda case: case.says)
def test_it_is_open_when_it_opens_and_not_before(case: Case) -> None:
    window, answer_at = window_of(case), case.answer_at
    assert answer_at is not None
    assert is_open(window, answer_at, case.zone)
    assert is_open(window, case.asked_at, case.zone) == (answer_at == case.asked_at)
    assert answer_at == case.asked_at or not is_open(window, answer_at - 1, case.zone)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
    assert len({(case.ask, case.says, case.zone) for case in CASES}) == len(CASES)


def test_the_reference_shows_the_public_ones() -> None:
    """`python -m tests.data.clock_cases` prints what belongs there."""
    assert page().strip() in REFERENCE.read_text(encoding="utf-8")
