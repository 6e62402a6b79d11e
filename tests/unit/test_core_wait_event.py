"""`wait_event`: which event opens which way, from when on, and until when (semantics 5.10)."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.dossier import Stated
from schemas.event import Event
from streams.rehearsal import event_record
from streams.unit import Record
from tests.unit.stage import Stage, at, checkout, event, order
from tests.unit.written import on, say, written

SAME_CART = {"checkout_id": "trigger.checkout_id"}


def awaiting(*, before: Any = (), top: Any = None, entry: Any = None, **more: Any) -> Stage:
    """Two hours for an order, from the checkout of 10:00 or from the end of the steps before."""
    wait = {"event": "order_placed", "timeout": "2h", "then": "thank", "on_timeout": "remind"} | more
    steps = (*before, {"wait_event": wait}, say("thank"), {"stop": "thanked"}, say("remind"))
    return Stage(written(*steps, entry=entry or {}, **(top or {})))


def test_the_event_opens_its_way_and_the_message_goes_at_the_next_chance() -> None:
    stage = awaiting().event(checkout("10:00")).event(order("10:30"))
    assert stage.sent == [], "never on the record of the event"
    stage.pass_time("10:31")
    assert stage.story == ["10:00 entered triggered", "10:30 sent due", "10:30 ended thanked"]


def test_on_a_live_clock_it_is_a_tick_that_lets_it_out() -> None:
    stage = awaiting()
    stage = Stage(*stage.program.flows.values(), clock="live").event(checkout("10:00")).event(order("10:30"))
    assert (stage.sent, stage.tick("10:31").sent) == ([], ["10:31 thank"])


def test_without_it_the_timeout_opens_the_other_way() -> None:
    assert awaiting().event(checkout("10:00")).finish().sent == ["12:00 remind"]


@pytest.mark.parametrize(
    ("ordered", "arrives", "sent"),
    [
        ("10:00:00.001", "10:30", ["10:30 thank"]),
        ("09:58", "10:30", ["10:30 thank"]),  # within the skew, and appended after the step was entered
        ("09:55", "10:30", ["12:00 remind"]),  # exactly `skew` before it
        ("12:00", "12:00", ["12:00 thank"]),  # in time to the millisecond
    ],
)
def test_it_counts_if_it_occurs_after_the_step_was_entered_and_in_time(
    ordered: str, arrives: str, sent: list[str]
) -> None:
    assert awaiting().event(checkout("10:00")).event(order(ordered), arrives).finish().sent == sent


def test_an_event_after_the_timeout_opens_nothing_though_nobody_has_woken_up_yet() -> None:
    """Semantics 5.10: an outage must not decide."""
    flows = awaiting().program.flows.values()
    stage = Stage(*flows, clock="live").event(checkout("10:00")).event(order("12:01")).tick("13:00")
    assert stage.sent == ["13:00 remind"]


def test_one_that_occurred_in_time_and_arrives_late_counts_as_long_as_the_timeout_has_not_been_noticed() -> None:
    flows = awaiting().program.flows.values()
    stage = Stage(*flows, clock="live").event(checkout("10:00")).event(order("11:59"), "12:30").tick("13:00")
    assert stage.sent == ["13:00 thank"]


def test_what_is_known_already_opens_its_way_at_once() -> None:
    """An order of 10:10 reaches the log before its checkout of 10:00 does."""
    stage = awaiting().event(order("10:10")).event(checkout("10:00"), "10:20").finish()
    assert stage.sent == ["10:20 thank"]


def test_what_occurred_before_the_step_was_entered_does_not_count() -> None:
    stage = awaiting(before=[{"wait": {"for": "1h"}}]).event(checkout("10:00")).event(order("10:30")).finish()
    assert stage.sent == ["13:00 remind"]


class TestMatch:
    """Correlated events count whenever they occurred, if they come after the trigger."""

    def test_only_the_same_cart(self) -> None:
        stage = awaiting(match=SAME_CART).event(checkout("10:00", checkout_id="C1"))
        stage.event(order("10:10", checkout_id="C2")).event(order("10:20", checkout_id="C1")).finish()
        assert stage.sent == ["10:20 thank"]

    def test_before_the_step_was_entered_too(self) -> None:
        stage = awaiting(before=[{"wait": {"for": "1h"}}], match=SAME_CART).event(checkout("10:00", checkout_id="C1"))
        assert stage.event(order("10:20", checkout_id="C1")).finish().sent == ["11:00 thank"]

    def test_but_not_from_before_the_trigger(self) -> None:
        stage = (
            awaiting(match=SAME_CART).event(order("09:59", checkout_id="C1")).event(checkout("10:00", checkout_id="C1"))
        )
        assert stage.finish().sent == ["12:00 remind"]


class TestBranches:
    """Several events, each with its way; at most one is taken."""

    @staticmethod
    def stage() -> Stage:
        branches = [
            {"event": "order_placed", "where": {"total": {"gte": {"money": "50", "currency": "USD"}}}, "then": "large"},
            {"event": "order_placed", "then": "small"},
            {"event": "product_viewed", "then": {"stop": "still_looking"}},
        ]
        wait = {"branches": branches, "timeout": "1d", "on_timeout": {"stop": "quiet"}}
        return Stage(written({"wait_event": wait}, say("large"), {"stop": "done"}, say("small"))).event(
            checkout("10:00")
        )

    @pytest.mark.parametrize(("total", "sent"), [("80.00", "large"), ("20.00", "small"), (None, "small")])
    def test_of_two_that_fit_the_first_in_the_file(self, total: str | None, sent: str) -> None:
        assert self.stage().event(order("10:30", total=total)).finish().sent == [f"10:30 {sent}"]

    def test_the_first_event_decides_and_the_next_one_changes_nothing(self) -> None:
        stage = self.stage()
        stage.append(*_at_once(order("10:30", total="80.00"), event("product_viewed", "10:30"))).finish()
        assert stage.story[-1] == "10:30 ended done"

    def test_an_end_may_be_a_way(self) -> None:
        assert self.stage().event(event("product_viewed", "11:00")).finish().story[-1] == "11:00 ended still_looking"
        assert self.stage().finish().story[-1] == "+1 10:00 ended quiet"


def _at_once(*events: Event) -> list[Record]:
    return [event_record(one, at=at("10:30")) for one in events]


def test_an_exit_rule_comes_first() -> None:
    """Semantics 3.1: exits are judged before anything else on a record."""
    top = {"exits": [{"when": {"event": "order_placed"}, "reason": "bought"}]}
    assert awaiting(top=top).event(checkout("10:00")).event(order("10:30")).finish().story[-1] == "10:30 ended bought"


def test_at_send_what_has_come_true_is_remembered_and_the_way_is_taken() -> None:
    top = {"exits": [{"when": {"event": "order_placed"}, "reason": "bought"}], "exit_check": "at_send"}
    stage = awaiting(top=top).event(checkout("10:00")).event(order("10:30")).finish()
    assert stage.story == ["10:00 entered triggered", "10:30 ended bought"]


def test_the_next_wait_counts_from_when_the_event_was_seen() -> None:
    wait = {"event": "order_placed", "timeout": "2h", "on_timeout": {"stop": "quiet"}}
    stage = Stage(written({"wait_event": wait}, {"wait": {"for": "1h"}}, say("thank")))
    assert stage.event(checkout("10:00")).event(order("10:29"), "10:30").finish().sent == ["11:30 thank"]


def test_a_timeout_of_a_day_is_a_day_where_the_person_is() -> None:
    stage = awaiting(timeout="1d", top={"timezone": "Europe/Berlin"}).event(checkout(on("2027-03-27", "17:00")))
    assert stage.finish().commands[0].decided_at == "2027-03-28T16:00:00.000Z"


def test_a_circle_through_a_timeout_sends_again_and_again() -> None:
    """Semantics 5.11: each round is a visit of its own."""
    wait = {"event": "order_placed", "timeout": "1d", "then": {"stop": "bought"}}
    back = {"if": {"condition": {"trigger.coupon": {"is_not_set": True}}, "then": "round"}}
    stage = Stage(written({"label": "round", "wait_event": wait}, say("remind"), back))
    stage.event(checkout("10:00")).event(order("+3 09:00")).finish()
    assert stage.sent == ["+1 10:00 remind", "+2 10:00 remind"]
    assert [one.visit for one in stage.commands] == [1, 2]
    assert len({one.command_id for one in stage.commands}) == 2


@pytest.mark.parametrize(
    ("retrigger", "sent"),
    [("extend", ["13:00 remind"]), ("replace_context", ["13:00 remind"]), ("ignore", ["12:00 remind"])],
)
def test_a_new_trigger_restarts_the_timeout_if_the_flow_says_so(retrigger: str, sent: list[str]) -> None:
    stage = awaiting(entry={"retrigger": retrigger})
    assert stage.event(checkout("10:00")).event(checkout("11:00")).finish().sent == sent


@pytest.mark.parametrize("retrigger", ["extend", "replace_context"])
def test_but_not_once_the_event_has_come(retrigger: str) -> None:
    flows = awaiting(entry={"retrigger": retrigger}).program.flows.values()
    stage = Stage(*flows, clock="live").event(checkout("10:00")).event(order("10:30")).event(checkout("10:31"))
    assert stage.tick("10:32").sent == ["10:32 thank"]


def test_the_trigger_that_has_the_wait_begin_anew_is_not_what_is_awaited() -> None:
    """Semantics 5.10: a match counts what was appended after the trigger; a new zone does not have it looked for."""
    entry = {"retrigger": "replace_context"}
    stage = awaiting(
        entry=entry,
        event="checkout_started",
        match=SAME_CART,
        timeout="1d",
        top={"timezone": {"from": ["profile"], "default": "UTC"}},
    )
    stage.event(checkout("10:00", checkout_id="C1")).event(checkout("10:30", checkout_id="C2")).pass_time("10:31")
    stage.partition._profiles.of(next(iter(stage.store))).known().facts["timezone"] = Stated("Asia/Tokyo", at("10:40"))
    assert stage.event(order("10:40")).pass_time("10:41").sent == []
    assert stage.event(checkout("11:00", checkout_id="C2")).pass_time("11:01").sent == ["11:00 thank"]
