"""Re-entry: whether somebody who has been in a flow may enter again (semantics 3.6)."""

from __future__ import annotations

import pytest

from schemas.flow import Reentry
from schemas.limits import PAST_KEYS_MAX
from tests.unit.stage import HOUR, MINUTE, Scope, Stage, at, checkout, clock_of, flow, order

KEY = "checkout_id"


def refusals(stage: Stage) -> list[str]:
    return [one.reason for one in stage.decisions if one.outcome == "refused"]


def test_always_is_the_default() -> None:
    stage = Stage(flow()).event(checkout("10:00")).event(checkout("10:16")).finish()
    assert stage.sent == ["10:15 remind", "10:31 remind"]


def test_never() -> None:
    stage = Stage(flow(reentry=Reentry(policy="never"))).event(checkout("10:00")).event(checkout("+90 10:00")).finish()
    assert (stage.sent, refusals(stage)) == (["10:15 remind"], ["reentry_never"])
    assert stage.tallies["ignored", "reminder"] == 1


@pytest.mark.parametrize(("second", "enters"), [("11:59:59.999", False), ("12:00", True)])
def test_a_gap_from_the_start_counts_from_the_anchor(second: str, enters: bool) -> None:
    rule = Reentry(policy="min_gap", min_gap_ms=2 * HOUR, counted_from="start")
    stage = Stage(flow(reentry=rule)).event(checkout("10:00")).event(checkout(second)).finish()
    assert len(stage.sent) == 1 + enters


@pytest.mark.parametrize(("second", "enters"), [("12:14:59.999", False), ("12:15", True)])
def test_a_gap_from_the_end_counts_from_the_end(second: str, enters: bool) -> None:
    rule = Reentry(policy="min_gap", min_gap_ms=2 * HOUR, counted_from="end")
    stage = Stage(flow(reentry=rule)).event(checkout("10:00")).event(checkout(second)).finish()
    assert len(stage.sent) == 1 + enters


def test_a_refusal_says_what_it_compared() -> None:
    rule = Reentry(policy="min_gap", min_gap_ms=2 * HOUR, counted_from="end")
    stage = Stage(flow(reentry=rule)).event(checkout("10:00")).event(checkout("11:00"))
    assert stage.decisions[-1].reason == "reentry_min_gap"
    assert stage.decisions[-1].values == {"last_end_at": "2026-11-20T10:15:00.000Z", "min_gap_seconds": 7200}


def test_a_refused_trigger_counts_as_ignored() -> None:
    """Semantics 9.4: `ignored` counts triggers refused because an enrollment is live or re-entry forbids it."""
    rule = Reentry(policy="min_gap", min_gap_ms=2 * HOUR)
    stage = Stage(flow(reentry=rule)).event(checkout("10:00")).event(checkout("10:05")).event(checkout("11:00"))
    assert stage.tallies["ignored", "reminder"] == 2


def test_an_entry_that_ended_early_counts_too() -> None:
    """Semantics 3.6: whether a message went is not asked."""
    rule = Reentry(policy="min_gap", min_gap_ms=2 * HOUR)
    stage = Stage(flow(reentry=rule)).event(checkout("10:00")).event(order("10:01")).event(checkout("11:00"))
    assert refusals(stage) == ["reentry_min_gap"]


@pytest.mark.parametrize(("scope", "enters"), [("profile", False), ("key", True)])
def test_the_scope_says_whose_past_is_asked(scope: Scope, enters: bool) -> None:
    rule = Reentry(policy="never", scope=scope)
    stage = Stage(flow(reentry=rule, key=KEY))
    stage.event(checkout("10:00", checkout_id="C1")).event(checkout("11:00", checkout_id="C2"))
    assert refusals(stage) == ([] if enters else ["reentry_never"])
    stage.event(checkout("12:00", checkout_id="C1"))
    assert stage.tallies["decision", "reminder", "refused", "reentry_never"] == 2 - enters


def test_of_two_keys_the_later_end_counts() -> None:
    rule = Reentry(policy="min_gap", min_gap_ms=30 * MINUTE, counted_from="end")
    stage = Stage(flow(reentry=rule, key=KEY))
    stage.event(checkout("10:00", checkout_id="C1")).event(checkout("10:10", checkout_id="C2")).pass_time("10:50")
    stage.event(checkout("10:54:59.999", checkout_id="C3")).event(checkout("10:55", checkout_id="C4"))
    assert [one.outcome for one in stage.decisions].count("entered") == 3


def test_a_late_trigger_is_held_against_every_past_entry() -> None:
    """The gap is between occurrences: 10:20 is 5 minutes after the end at 10:15, whoever entered since."""
    rule = Reentry(policy="min_gap", min_gap_ms=30 * MINUTE, counted_from="end")
    stage = Stage(flow(reentry=rule, key=KEY)).event(checkout("10:00", checkout_id="C1")).pass_time("10:20")
    stage.event(checkout("10:45", checkout_id="C2")).event(checkout("10:20", checkout_id="C3"), "10:46")
    assert refusals(stage) == ["reentry_min_gap"]


def test_the_past_is_bounded_and_the_eviction_counted() -> None:
    stage = Stage(flow(reentry=Reentry(policy="never", scope="key"), key=KEY))
    for number in range(PAST_KEYS_MAX + 3):
        stage.event(checkout("10:00", checkout_id=str(number)), clock_of(at("11:00") + number))
    assert len(stage.profile().past) == PAST_KEYS_MAX
    assert stage.tallies["evicted", "past"] == 3


def test_the_bound_holds_also_when_the_newest_comes_first() -> None:
    """A source that tells its past backward."""
    stage = Stage(flow(reentry=Reentry(policy="never", scope="key"), key=KEY))
    for number in range(PAST_KEYS_MAX + 50):
        stage.event(checkout(clock_of(at("12:00") - number), checkout_id=str(number)), clock_of(at("13:00") + number))
    assert len(stage.finish().profile().past) <= PAST_KEYS_MAX
