"""The oracle on flows that begin by the clock (semantics 3.8), judged by eye."""

from __future__ import annotations

import pytest

from tests.oracle.replay import run_carried
from tests.oracle.timeline import REMIND, decided, flow, order

DAILY = {"trigger": {"schedule": {"at": "09:00"}}}


@pytest.mark.parametrize(
    ("seen_at", "begun"), [("09:00:00.001", []), ("09:00", ["09:00:00.000"]), ("08:59", ["09:00:00.000"])]
)
def test_who_is_first_seen_at_the_very_moment_is_looked_at_then(seen_at: str, begun: list[str]) -> None:
    result = run_carried([flow(REMIND, entry=DAILY, exit=[])], [order(seen_at), order("12:00")])
    assert [clock for _, clock in decided(result)] == begun


def test_a_moment_that_is_made_anew_is_not_met_a_second_time() -> None:
    """The other zone has the same time."""
    steps = {"set": {"timezone": "Europe/Vienna"}}, REMIND
    moved = flow(*steps, entry=DAILY, exit=[], timezone={"from": ["profile"], "default": "Europe/Berlin"})
    assert decided(run_carried([moved], [order("06:00"), order("12:00")])) == [("remind", "07:00:00.000")]
