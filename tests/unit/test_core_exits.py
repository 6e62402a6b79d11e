"""Exit rules: what ends an enrollment, when, and what counts as "since starting this flow" (semantics 3.4, 4, 8)."""

from __future__ import annotations

import pytest

from schemas.conditions import Compare
from schemas.limits import EXIT_RULES_MAX
from tests.unit.stage import BOUGHT, MINUTE, SAME_CART, Stage, checkout, event, exit_on, flow, order, send, settle, wait

LARGE = Compare(word="total", kind="money", operator="gte", operand=["50", "USD"])


def test_an_exit_ends_the_enrollment_at_once_and_says_with_what() -> None:
    """Semantics 4.1."""
    stage = Stage(flow()).event(checkout("10:00")).event(order("10:05")).finish()
    assert stage.story == ["10:00 entered triggered", "10:05 ended bought"]
    ended = stage.decisions[-1]
    assert ended.values == {"event": "order_placed", "occurred_at": "2026-11-20T10:05:00.000Z"}
    assert (ended.cause.topic, ended.cause.offset, ended.cause.event_id) == ("log", 1, order("10:05").id)
    assert stage.sent == []


def test_as_many_rules_as_a_flow_may_have_are_kept_until_the_message() -> None:
    """Semantics 4.1: `at_send`. The state, which is packed after every record, has a bit for each."""
    rules = [exit_on("order_placed", reason=f"bought-{number}") for number in range(EXIT_RULES_MAX)]
    stage = Stage(flow(exits=rules, exit_check="at_send")).event(checkout("10:00")).event(order("10:05")).finish()
    assert stage.story == ["10:00 entered triggered", "10:15 ended bought-0"]


def test_bought_at_1358_is_not_reminded_at_1359() -> None:
    stage = Stage(flow(wait(59), send()))
    stage.event(checkout("13:00")).event(order("13:58")).pass_time("14:00").finish()
    assert stage.sent == []


@pytest.mark.parametrize(
    ("ordered", "arrives", "counts"),
    [
        ("10:01", "10:01", True),  # after the anchor
        ("10:00", "10:01", True),  # at the anchor, appended after the trigger: within the skew
        ("09:55:00.001", "10:01", True),  # within the skew, appended after the trigger
        ("09:55", "10:01", False),  # exactly `skew` before it: too early, as with no skew at the anchor itself
    ],
)
def test_an_order_counts_from_skew_before_the_anchor_if_it_is_appended_after_the_trigger(
    ordered: str, arrives: str, counts: bool
) -> None:
    """Semantics 3.4."""
    stage = Stage(flow()).event(checkout("10:00")).event(order(ordered), arrives).finish()
    assert stage.sent == ([] if counts else ["10:15 remind"])


def test_the_order_before_the_last_checkout_does_not_count() -> None:
    """Semantics 3.4: within the skew, but appended before the trigger."""
    stage = Stage(flow()).event(order("09:59")).event(checkout("10:00")).finish()
    assert stage.sent == ["10:15 remind"]


def test_an_order_stamped_later_that_reached_the_log_first_ends_the_enrollment_where_it_begins() -> None:
    """Semantics 3.1 (f): rule 3.4 on stored history."""
    stage = Stage(flow()).event(order("10:01"), "10:02").event(checkout("10:00"), "10:03").finish()
    assert stage.story == ["10:03 entered triggered", "10:03 ended bought"]


@pytest.mark.parametrize(("ordered", "counts"), [("10:00", False), ("10:00:00.001", True)])
def test_with_no_skew_an_order_counts_strictly_after_the_entry(ordered: str, counts: bool) -> None:
    """Semantics 3.4: entry < order."""
    stage = Stage(flow(skew_ms=0)).event(checkout("10:00")).event(order(ordered), "10:01").finish()
    assert stage.sent == ([] if counts else ["10:15 remind"])


def test_an_order_at_exactly_the_due_time_is_seen_first() -> None:
    """Semantics 1.6: a record at exactly that moment is seen first."""
    assert Stage(flow()).event(checkout("10:00")).event(order("10:15")).finish().sent == []
    late = Stage(flow()).event(checkout("10:00")).event(order("10:15"), "10:15:00.001").finish()
    assert late.sent == ["10:15 remind"]


def test_a_matching_order_counts_whatever_its_time_and_another_one_does_not() -> None:
    """Semantics 3.4: with `match`, correlated events count whatever their occurred_at."""
    matched = flow(exits=[SAME_CART])
    early = Stage(matched).event(order("08:00", checkout_id="C1")).event(checkout("10:00", checkout_id="C1")).finish()
    assert early.story[-1] == "10:00 ended bought_this_cart"
    other = Stage(matched).event(checkout("10:00", checkout_id="C1")).event(order("10:05", checkout_id="C2")).finish()
    assert other.sent == ["10:15 remind"]


def test_a_match_on_a_word_that_both_lack_is_no_match() -> None:
    stage = Stage(flow(exits=[SAME_CART])).event(checkout("10:00")).event(order("10:05")).finish()
    assert stage.sent == ["10:15 remind"]


def test_of_two_rules_that_hold_the_first_one_gives_the_reason() -> None:
    stage = Stage(flow(exits=[SAME_CART, BOUGHT]))
    stage.event(checkout("10:00", checkout_id="C1")).event(order("10:05", checkout_id="C1"))
    assert stage.story[-1] == "10:05 ended bought_this_cart"


@pytest.mark.parametrize(
    ("amount", "currency", "ends"),
    [("50", "USD", True), ("49", "USD", False), ("50", "EUR", False), (None, "USD", False)],
)
def test_the_condition_of_a_rule_is_judged_on_the_event_and_unknown_is_not_true(
    amount: str | None, currency: str, ends: bool
) -> None:
    stage = Stage(flow(exits=[exit_on("order_placed", reason="large", where=LARGE)]))
    stage.event(checkout("10:00", total="500")).event(order("10:05", total=amount, currency=currency)).finish()
    assert stage.sent == ([] if ends else ["10:15 remind"])


@pytest.mark.parametrize(
    ("source", "covered"),
    [("magento1", True), ("magento1/default", True), ("magento1.orders", True), ("magento10", False), ("shop", False)],
)
def test_a_source_covers_what_stands_below_it(source: str, covered: bool) -> None:
    stage = Stage(flow(exits=[exit_on("order_placed", reason="bought", sources=("magento1",))]))
    stage.event(checkout("10:00")).event(order("10:05", source=source)).finish()
    assert stage.sent == ([] if covered else ["10:15 remind"])


def test_the_trigger_itself_never_ends_what_it_begins() -> None:
    """Semantics 3.4: events *after* the anchor; 3.1: on one record, exits are judged before entries."""
    again = exit_on("checkout_started", reason="began_again")
    stage = Stage(flow(exits=[again], skew_ms=5 * MINUTE))
    stage.event(checkout("10:00")).event(checkout("10:05")).finish()
    assert stage.story == [
        "10:00 entered triggered",
        "10:05 ended began_again",
        "10:05 entered triggered",
        "10:20 sent due",
        "10:20 ended done",
    ]


def test_one_record_ends_every_enrollment_it_concerns_and_no_other() -> None:
    cart = flow(name="cart", trigger="cart_item_added", exits=[BOUGHT])
    browse = flow(name="browse", trigger="product_viewed", exits=[])
    stage = Stage(flow(), cart, browse)
    stage.event(event("product_viewed", "10:00")).event(event("cart_item_added", "10:01")).event(checkout("10:02"))
    stage.event(order("10:05")).finish()
    assert [(one.flow, one.reason) for one in stage.decisions if one.outcome == "ended"] == [
        ("cart", "bought"),
        ("reminder", "bought"),
        ("browse", "done"),
    ]


def test_an_order_of_somebody_else_means_nothing() -> None:
    stage = Stage(flow()).event(checkout("10:00", who="ann")).event(order("10:05", who="bob")).finish()
    assert stage.sent == ["10:15 remind"]


def test_a_historical_order_ends_as_well() -> None:
    """Semantics 2.3: backfill changes state."""
    stage = Stage(flow()).event(checkout("10:00")).event(order("10:01", backfill=True), "10:05").finish()
    assert stage.story[-1] == "10:05 ended bought"


class TestAtSend:
    """`exit_check: at_send` judges exits only before a side effect (semantics 4.2)."""

    def test_an_exit_waits_for_the_send(self) -> None:
        stage = Stage(flow(exit_check="at_send")).event(checkout("10:00")).event(order("10:05")).finish()
        assert stage.story == ["10:00 entered triggered", "10:15 ended bought"]

    def test_the_end_says_what_has_brought_it(self) -> None:
        """Semantics 9.3."""
        stage = Stage(flow(exit_check="at_send")).event(checkout("10:00")).event(order("10:05")).finish()
        told = stage.decisions[-1].values
        assert (told["event"], told["occurred_at"]) == ("order_placed", "2026-11-20T10:05:00.000Z")

    def test_triggers_are_ignored_until_then(self) -> None:
        stage = Stage(flow(exit_check="at_send"))
        stage.event(checkout("10:00")).event(order("10:05")).event(checkout("10:06")).finish()
        assert stage.tallies["ignored", "reminder"] == 1
        assert stage.decisions[-1].ignored == 1

    def test_history_counts_at_entry(self) -> None:
        stage = Stage(flow(exit_check="at_send"))
        stage.event(order("10:01"), "10:02").event(checkout("10:00"), "10:03").finish()
        assert stage.story == ["10:03 entered triggered", "10:15 ended bought"]

    def test_the_first_rule_gives_the_reason_whatever_came_first(self) -> None:
        canceled = exit_on("order_canceled", reason="canceled")
        stage = Stage(flow(exit_check="at_send", exits=[canceled, BOUGHT]))
        stage.event(checkout("10:00")).event(order("10:05")).event(event("order_canceled", "10:06")).finish()
        assert stage.story[-1] == "10:15 ended canceled"

    def test_the_gate_is_asked_before_the_exits(self) -> None:
        """Semantics 8.1: the gate, then exit rules."""
        stage = Stage(flow(wait(15), settle(hold=30), send(), exit_check="at_send"))
        stage.event(checkout("10:00")).event(order("10:05")).finish()
        assert stage.story[2:] == ["10:45 skipped settle_timeout", "10:45 ended done"]

    def test_a_restart_begins_with_a_clean_slate_after_its_new_anchor(self) -> None:
        stage = Stage(flow(exit_check="at_send", retrigger="restart", skew_ms=0))
        stage.event(checkout("10:00")).event(order("10:05")).event(checkout("10:10")).finish()
        assert stage.story[-2:] == ["10:25 sent due", "10:25 ended done"]

    def test_a_new_context_keeps_the_anchor_so_the_order_still_counts(self) -> None:
        stage = Stage(flow(exit_check="at_send", retrigger="replace_context"))
        stage.event(checkout("10:00")).event(order("10:05")).event(checkout("10:10")).finish()
        assert stage.story[-1] == "10:25 ended bought"

    def test_a_new_context_is_matched_anew(self) -> None:
        """With `match`, the newest context is what an order must belong to."""
        stage = Stage(flow(exit_check="at_send", exits=[SAME_CART], retrigger="replace_context"))
        stage.event(checkout("10:00", checkout_id="C1")).event(order("10:05", checkout_id="C1"))
        stage.event(checkout("10:10", checkout_id="C2")).finish()
        assert stage.sent == ["10:25 remind"]


def test_a_trigger_that_is_older_than_history_knows_is_judged_on_what_is_kept() -> None:
    """The newest 50 events that an exit rule may ask for are kept; orders are evicted last and the eviction counted."""
    views = exit_on("product_viewed", reason="came_back")
    stage = Stage(flow(exits=[BOUGHT, views]))
    stage.event(order("10:01"), "10:02")
    for second in range(60):
        stage.event(event("product_viewed", f"09:00:{second:02d}"), "10:02")
    stage.event(checkout("10:00"), "10:03")
    assert stage.tallies["evicted", "history"] == 11
    assert stage.story == ["10:03 entered triggered", "10:03 ended bought"]
