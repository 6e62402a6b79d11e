"""Flows that begin by the clock, when they are changed, held, or stopped and resumed (semantics 1.3, 3.8, 12.1, 12.4).

Each story is told twice: by one process, and by one that dies after each record.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.event import Event
from schemas.flow import Flow
from tests.unit.stage import Stage, checkout, event
from tests.unit.written import REMIND, written

TICKS = ("10:31", "11:01", "12:01", "+1 10:31", "+1 11:01", "+1 12:01")
BIRTHDAY = {"date": {"fact": "birthday", "at": "11:00", "yearly": True}}
BORN = event("profile_identified", "10:00", birthday="2000-11-20")

restarts = pytest.mark.parametrize("restarts", [False, True], ids=["one process", "a restart after each record"])


def daily(at: str, **more: Any) -> Flow:
    return written(REMIND, name="f", trigger={"schedule": {"at": at, **more}})


def told(stage: Stage, *what: tuple[str, Any], restarts: bool) -> list[str]:
    """The messages; each line is a tick, or an activation of flows."""
    for number, (time, flows) in enumerate(what):
        if restarts:
            stage.restart()
        if flows is None:
            stage.tick(time)
        else:
            stage.activate(time, number + 7, *flows, over_before="12:30" if time == "12:30" else None)
    return stage.sent


@restarts
@pytest.mark.parametrize(
    ("before", "after", "first", "sent"),
    [
        (daily("11:00"), daily("12:00"), checkout("10:00"), ["12:01 remind", "+1 12:01 remind"]),
        (daily("11:00"), daily("10:30"), checkout("10:00"), ["10:31 remind", "+1 10:31 remind"]),
        (daily("11:00"), daily("11:00", on=["mon"]), checkout("10:00"), []),
        (daily("11:00"), written(REMIND, trigger=BIRTHDAY), replace(BORN), ["11:01 remind"]),
        (
            written(REMIND, trigger=BIRTHDAY),
            written(REMIND, trigger={"date": {**BIRTHDAY["date"], "before": "3d"}}),
            BORN,
            [],
        ),
    ],
    ids=["later", "earlier", "another day", "a schedule becomes a date", "days before"],
)
def test_a_new_version_counts_from_its_place_in_the_order(
    before: Flow, after: Flow, first: Event, sent: list[str], restarts: bool
) -> None:
    stage = Stage(before, clock="live").event(first)
    assert told(stage, ("10:05", (after, before)), *((time, None) for time in TICKS), restarts=restarts) == sent


@restarts
def test_a_moment_in_a_flow_on_hold_is_overdue_when_it_goes_on(restarts: bool) -> None:
    own = daily("11:00")
    what = [("10:05", (replace(own, status="held"),)), ("11:01", None), ("12:29", (own,)), ("12:31", None)]
    stage = Stage(own, clock="live").event(checkout("10:00"))
    assert told(stage, *what, ("+1 11:01", None), restarts=restarts) == ["12:31 remind", "+1 11:01 remind"]


@restarts
@pytest.mark.parametrize(
    ("at", "sent"), [("11:00", ["+1 11:01 remind"]), ("15:00", ["15:01 remind", "+1 15:01 remind"])]
)
def test_a_moment_in_a_stopped_flow_is_over(restarts: bool, at: str, sent: list[str]) -> None:
    own = daily(at)
    what = [("10:05", (replace(own, status="stopped"),)), ("11:01", None), ("12:30", (own,))]
    stage = Stage(own, clock="live").event(checkout("10:00"))
    ticks = [(time, None) for time in ("12:31", "15:01", "+1 11:01", "+1 15:01")]
    assert told(stage, *what, *ticks, restarts=restarts) == sent


@restarts
def test_resumed_as_another_version_it_begins_at_that_ones_moments(restarts: bool) -> None:
    own, sooner = daily("15:00"), daily("13:00")
    what = [("10:05", (replace(own, status="stopped"),)), ("11:01", None), ("12:30", (sooner, own))]
    stage = Stage(own, clock="live").event(checkout("10:00"))
    ticks = [(time, None) for time in ("13:01", "15:01", "+1 13:01")]
    assert told(stage, *what, *ticks, restarts=restarts) == ["13:01 remind", "+1 13:01 remind"]
