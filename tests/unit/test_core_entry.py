"""Entry: the order of the questions, re-trigger, re-entry, refusals (semantics 3)."""

from __future__ import annotations

import pytest

from schemas.conditions import Compare
from schemas.flow import Reentry, Retrigger
from schemas.identity import Identity
from schemas.limits import ENROLLMENTS_MAX
from streams import ids
from tests.unit.stage import (
    SAME_CART,
    Stage,
    checkout,
    event,
    flow,
    order,
    send,
    settle,
    wait,
)

LARGE = Compare(word="total", kind="money", operator="gte", operand=["50", "USD"])
BROWSER = Identity(anonymous_id="b1")
KEY = "checkout_id"


def refusals(stage: Stage) -> list[str]:
    return [one.reason for one in stage.decisions if one.outcome == "refused"]


class TestTheOrderOfTheQuestions:
    """Semantics 3.1: source, where, who, re-trigger and re-entry, freshness, stored history. The first "no" speaks."""

    def test_another_source_is_not_this_trigger_and_leaves_no_trace(self) -> None:
        """(a)"""
        stage = Stage(flow(sources=("magento1",), where=LARGE)).event(checkout("10:00"))
        assert (stage.story, stage.tallies["where_false", "checkout_started"]) == ([], 0)
        stage.event(checkout("10:01", source="magento1/default", total="60"))
        assert stage.story == ["10:01 entered triggered"]

    @pytest.mark.parametrize("total", ["49.99", None])
    def test_a_false_or_unknown_where_is_only_counted(self, total: str | None) -> None:
        """(b), before any other question."""
        stage = Stage(flow(send(channel="email"), where=LARGE, key=KEY))
        stage.event(checkout("08:00", total=total, identity=BROWSER), "+3 10:00")
        assert (stage.story, stage.tallies["where_false", "checkout_started"]) == ([], 1)

    def test_a_browser_is_refused_by_a_flow_with_an_address(self) -> None:
        """(c): before key, re-entry and freshness."""
        stage = Stage(flow(send(channel="email"), key=KEY)).event(checkout("08:00", identity=BROWSER), "+3 10:00")
        assert refusals(stage) == ["anonymous"]

    @pytest.mark.parametrize("identity", [BROWSER, Identity(device_id="d1"), Identity(email="", anonymous_id="b1")])
    def test_the_log_has_no_address_so_browsers_may_enter(self, identity: Identity) -> None:
        assert Stage(flow()).event(checkout("10:00", identity=identity)).story == ["10:00 entered triggered"]
        assert refusals(Stage(flow(send(channel="email"))).event(checkout("10:00", identity=identity))) == ["anonymous"]

    def test_a_trigger_without_its_key_is_refused(self) -> None:
        stage = Stage(flow(key=KEY)).event(checkout("08:00"), "+3 10:00")
        assert refusals(stage) == ["key_missing"]
        assert stage.decisions[0].values == {"key": "trigger.checkout_id"}

    def test_reentry_is_asked_before_freshness(self) -> None:
        """(d) before (e)."""
        stage = Stage(flow(reentry=Reentry(policy="never"))).event(checkout("10:00")).pass_time("12:00")
        stage.event(checkout("10:30"), "+3 10:00")
        assert refusals(stage) == ["reentry_never"]

    def test_a_live_enrollment_is_asked_before_freshness(self) -> None:
        """(d): re-trigger policy."""
        stage = Stage(flow(wait(10 * 24 * 60), send())).event(checkout("10:00")).event(checkout("10:01"), "+3 10:00")
        assert (refusals(stage), stage.tallies["ignored", "reminder"]) == ([], 1)

    @pytest.mark.parametrize(("arrives", "fresh"), [("+1 10:00", True), ("+1 10:00:00.001", False)])
    def test_a_trigger_is_fresh_up_to_its_greatest_age(self, arrives: str, fresh: bool) -> None:
        """(e): *now* - occurred_at <= max_trigger_age."""
        stage = Stage(flow()).event(checkout("10:00"), arrives)
        assert refusals(stage) == ([] if fresh else ["trigger_too_old"])

    def test_freshness_is_asked_before_history(self) -> None:
        """(e) before (f)."""
        stage = Stage(flow()).event(order("10:01")).event(checkout("10:00"), "+1 10:01")
        assert refusals(stage) == ["trigger_too_old"]
        assert stage.decisions[0].values == {
            "occurred_at": "2026-11-20T10:00:00.000Z",
            "appended_at": "2026-11-21T10:01:00.000Z",
            "max_trigger_age_seconds": 86400,
        }

    def test_what_ends_where_it_begins_has_entered(self) -> None:
        """(f) and semantics 9.4: `entered` includes enrollments that end where they begin."""
        stage = Stage(flow()).event(order("10:01")).event(checkout("10:00"), "10:02")
        assert stage.story == ["10:02 entered triggered", "10:02 ended bought"]
        assert stage.partition.pending == 0


def test_a_historical_trigger_enrolls_nobody() -> None:
    """Semantics 2.3: `backfill: true` never enrolls."""
    stage = Stage(flow()).event(checkout("10:00", backfill=True))
    assert (stage.story, stage.tallies["event", "new"]) == ([], 1)


def test_a_draft_decides_nothing() -> None:
    assert Stage(flow(status="draft")).event(checkout("10:00")).finish().story == []


def test_a_trigger_from_the_future_is_clamped_to_its_arrival() -> None:
    """Semantics 2.2: by more than five minutes; up to that it is taken as it is."""
    stage = Stage(flow()).event(checkout("10:05"), "10:00").event(checkout("10:05:00.001", who="bob"), "10:00").finish()
    assert stage.tallies["event", "from_the_future"] == 1
    assert [(one.profile_id, _time(one.decided_at)) for one in stage.commands] == [
        (stage.profile("bob").profile_id, "10:15"),
        (stage.profile("ann").profile_id, "10:20"),
    ]


def _time(wire: str) -> str:
    return wire[11:16]


class TestRefusalsAreWrittenOnce:
    """Semantics 3.1: written when the reason differs from the last refusal by this flow, or a day has passed."""

    def test_a_repeat_is_counted_only(self) -> None:
        stage = Stage(flow(key=KEY))
        for minute in range(5):
            stage.event(checkout(f"10:0{minute}"))
        assert refusals(stage) == ["key_missing"]
        assert stage.tallies["decision", "reminder", "refused", "key_missing"] == 5

    def test_another_reason_is_written(self) -> None:
        stage = Stage(flow(key=KEY)).event(checkout("10:00"))
        stage.event(checkout("10:00", checkout_id="C1"), "+2 10:00").event(checkout("+2 10:01"))
        assert refusals(stage) == ["key_missing", "trigger_too_old", "key_missing"]

    def test_after_a_day_it_is_written_again(self) -> None:
        stage = Stage(flow(key=KEY)).event(checkout("10:00")).event(checkout("+1 09:59")).event(checkout("+1 10:00"))
        assert stage.story == ["10:00 refused key_missing", "+1 10:00 refused key_missing"]

    def test_each_flow_and_each_person_speaks_for_itself(self) -> None:
        stage = Stage(flow(key=KEY), flow(name="other", key=KEY))
        stage.event(checkout("10:00")).event(checkout("10:01", who="bob"))
        assert len(refusals(stage)) == 4


class TestTheAnchor:
    """Semantics 3.3: the trigger's occurred_at; the first wait counts from it."""

    def test_the_first_wait_counts_from_when_it_happened(self) -> None:
        assert Stage(flow()).event(checkout("10:00"), "10:10").finish().sent == ["10:15 remind"]

    def test_a_wait_that_is_over_at_arrival_is_over_at_arrival(self) -> None:
        """Its moment is never before the record that armed it."""
        assert Stage(flow()).event(checkout("10:00"), "10:40").finish().sent == ["10:40 remind"]

    def test_the_next_wait_counts_from_the_completion_of_the_one_before(self) -> None:
        twice = flow(wait(15), send("first"), wait(60, label="again"), send("second"))
        assert Stage(twice).event(checkout("10:00")).finish().sent == ["10:15 first", "11:15 second"]
        assert Stage(twice).event(checkout("10:00"), "10:40").finish().sent == ["10:40 first", "11:40 second"]

    def test_the_first_wait_counts_from_the_anchor_also_behind_another_step(self) -> None:
        first = flow(send("a"), wait(15), send("b"))
        assert Stage(first).event(checkout("10:00"), "10:10").finish().sent == ["10:10 a", "10:15 b"]


class TestKeys:
    """Semantics 3.2: one enrollment per key; without one, per profile and flow."""

    def test_one_enrollment_per_checkout(self) -> None:
        stage = (
            Stage(flow(key=KEY)).event(checkout("10:00", checkout_id="C1")).event(checkout("10:05", checkout_id="C2"))
        )
        stage.event(checkout("10:06", checkout_id="C1")).finish()
        assert (stage.sent, stage.tallies["ignored", "reminder"]) == (["10:15 remind", "10:20 remind"], 1)

    def test_ids_differ_by_key_and_by_trigger_and_by_nothing_else(self) -> None:
        """Semantics 9.1: a replay makes the same id."""

        def made(*events: str) -> list[str]:
            stage = Stage(flow(key=KEY))
            for time in events:
                stage.event(checkout(time, checkout_id="C1", dedupe_key=f"checkout:{time}"))
            return [one.command_id for one in stage.finish().commands]

        assert made("10:00") == made("10:00")
        assert len(set(made("10:00", "10:30"))) == 2

    def test_an_enrollment_id_says_everything_that_began_it(self) -> None:
        """Semantics 9.1."""
        of = {"tenant": "t", "profile_id": "p", "flow": "f", "key": "k", "trigger_type": "e", "trigger_id": "i"}
        others = [ids.enrollment_id(**{**of, name: "other"}) for name in of]
        assert len({ids.enrollment_id(**of), *others}) == 1 + len(of)

    def test_live_enrollments_of_a_person_are_bounded(self) -> None:
        """Semantics 3.1 (e): a refused enrollment has a reason."""
        stage = Stage(flow(key=KEY))
        for number in range(ENROLLMENTS_MAX + 2):
            stage.event(checkout("10:00", checkout_id=str(number)))
        assert len(stage.profile().enrollments) == ENROLLMENTS_MAX
        assert refusals(stage) == ["too_many_enrollments"]
        assert stage.tallies["decision", "reminder", "refused", "too_many_enrollments"] == 2

    def test_those_in_flows_in_shadow_are_in_nobodys_way(self) -> None:
        """Semantics 12.4: nothing is used up."""
        shown = flow(key=KEY, name="shown", status="shadow", exits=())
        stage = Stage(shown, flow(name="live", trigger="order_placed", exits=()))
        for number in range(ENROLLMENTS_MAX + 1):
            stage.event(checkout("10:00", checkout_id=str(number)))
        stage.event(order("10:01"))
        entered = [one.flow for one in stage.decisions if one.outcome == "entered"]
        assert entered == ["shown"] * ENROLLMENTS_MAX + ["live"]
        assert refusals(stage) == ["too_many_enrollments"]


class TestIgnore:
    """Semantics 3.5 and 3.1: the default; counted on the enrollment."""

    def test_ignored_triggers_are_counted_and_told_at_the_end(self) -> None:
        stage = Stage(flow()).event(checkout("10:00")).event(checkout("10:05")).event(checkout("10:10")).finish()
        assert stage.tallies["ignored", "reminder"] == 2
        assert [one.ignored for one in stage.decisions] == [0, 0, 2]
        assert stage.sent == ["10:15 remind"]

    def test_who_is_held_at_a_gate_is_live(self) -> None:
        """Semantics 6.2: triggers are ignored meanwhile."""
        stage = Stage(flow(wait(15), settle(), send())).event(checkout("10:00")).event(checkout("10:20")).finish()
        assert stage.tallies["ignored", "reminder"] == 1


class TestRestart:
    """Semantics 3.5: new anchor, first step."""

    def test_it_begins_anew(self) -> None:
        stage = Stage(flow(retrigger="restart")).event(checkout("10:00")).event(checkout("10:10")).finish()
        assert stage.story == [
            "10:00 entered triggered",
            "10:10 restarted restart",
            "10:25 sent due",
            "10:25 ended done",
        ]

    def test_it_keeps_the_enrollment_and_grows_the_visit(self) -> None:
        """Semantics 3.5; so its command has an id of its own."""
        stage = Stage(flow(wait(15), send(), wait(60, label="again"), send("second"), retrigger="restart"))
        stage.event(checkout("10:00")).event(checkout("10:20")).finish()
        assert stage.sent == ["10:15 remind", "10:35 remind", "11:35 second"]
        assert len({one.enrollment_id for one in stage.decisions}) == 1
        assert [one.visit for one in stage.commands] == [1, 2, 2]
        assert len({one.command_id for one in stage.commands}) == 3

    def test_it_leaves_a_gate(self) -> None:
        stage = Stage(flow(wait(15), settle(), send(), retrigger="restart"))
        stage.event(checkout("10:00")).event(checkout("10:20")).finish()
        assert stage.story[1:3] == ["10:15 held settle", "10:20 restarted restart"]
        assert stage.story[3:] == ["10:35 held settle", "12:35 skipped settle_timeout", "12:35 ended done"]

    def test_the_order_before_it_does_not_count_for_the_new_anchor(self) -> None:
        stage = Stage(flow(retrigger="restart", exit_check="at_send", skew_ms=0))
        stage.event(checkout("10:00")).event(order("10:05")).event(checkout("10:10")).finish()
        assert stage.sent == ["10:25 remind"]

    def test_nor_does_one_within_the_skew_that_was_appended_before_it(self) -> None:
        """Semantics 3.4: the trigger is the newest one."""
        stage = Stage(flow(retrigger="restart", exit_check="at_send"))
        stage.event(checkout("10:00")).event(order("10:08")).event(checkout("10:10")).finish()
        assert stage.sent == ["10:25 remind"]

    def test_a_gate_given_up_before_it_skips_nothing_after_it(self) -> None:
        gates = (settle(hold=10), settle("shop.carts", hold=30, label="second"))
        stage = Stage(flow(wait(15), send("a"), *gates, send("b"), retrigger="restart"))
        stage.event(checkout("10:00")).event(checkout("10:30")).finish()
        assert stage.sent == ["10:15 a", "10:45 a"]

    def test_its_first_wait_counts_from_its_anchor_again(self) -> None:
        steps = (send("a"), wait(15), send("b"), wait(60, label="more"), send("c"))
        stage = Stage(flow(*steps, retrigger="restart"))
        stage.event(checkout("10:00")).event(checkout("10:20"), "10:30").finish()
        assert stage.sent == ["10:00 a", "10:15 b", "10:30 a", "10:35 b", "11:35 c"]


class TestReplaceContext:
    """Semantics 3.5: newest event data; the anchor stays; the current wait counts from the new trigger."""

    def test_words_are_the_newest_and_the_wait_counts_from_the_new_trigger(self) -> None:
        stage = Stage(flow(retrigger="replace_context"))
        stage.event(checkout("10:00", checkout_id="C1")).event(checkout("10:10", checkout_id="C2")).finish()
        assert stage.sent == ["10:25 remind"]
        assert stage.commands[0].variables == {"trigger": {"checkout_id": "C2"}}
        assert stage.commands[0].visit == 2

    def test_the_anchor_stays(self) -> None:
        """So an order between the two triggers still counts."""
        stage = Stage(flow(retrigger="replace_context", skew_ms=0, exit_check="at_send"))
        stage.event(checkout("10:00")).event(order("10:05")).event(checkout("10:10")).finish()
        assert stage.sent == []

    def test_it_concerns_the_current_wait_not_the_first(self) -> None:
        twice = flow(wait(15), send("first"), wait(60, label="again"), send("second"), retrigger="replace_context")
        stage = Stage(twice).event(checkout("10:00")).event(checkout("10:30")).finish()
        assert stage.sent == ["10:15 first", "11:30 second"]

    def test_who_is_held_stays_held(self) -> None:
        stage = Stage(flow(wait(15), settle(hold=30), send(), retrigger="replace_context"))
        stage.event(checkout("10:00")).event(checkout("10:20")).finish()
        assert stage.story[-2:] == ["10:45 skipped settle_timeout", "10:45 ended done"]


@pytest.mark.parametrize("retrigger", ["restart", "replace_context"])
class TestBeginningAnew:
    """What both have in common."""

    def test_an_older_trigger_that_comes_late_is_not_news(self, retrigger: Retrigger) -> None:
        """Semantics 3.5: *newest* event data."""
        stage = Stage(flow(retrigger=retrigger))
        stage.event(checkout("10:00", checkout_id="C2")).event(checkout("09:58", checkout_id="C1"), "10:05").finish()
        assert stage.sent == ["10:15 remind"]
        assert stage.commands[0].variables == {"trigger": {"checkout_id": "C2"}}
        assert stage.tallies["ignored", "reminder"] == 1

    def test_too_old_a_trigger_is_refused_and_changes_nothing(self, retrigger: Retrigger) -> None:
        """Semantics 3.1 (e)."""
        stage = Stage(flow(wait(48 * 60), send(), retrigger=retrigger))
        stage.event(checkout("10:00")).event(checkout("10:01"), "+1 10:02").finish()
        assert refusals(stage) == ["trigger_too_old"]
        assert stage.sent == ["+2 10:00 remind"]

    def test_it_is_no_entry(self, retrigger: Retrigger) -> None:
        """Semantics 3.5 and 9.4: `visit` grows, `entered` does not."""
        stage = Stage(flow(retrigger=retrigger)).event(checkout("10:00")).event(checkout("10:10")).finish()
        assert stage.tallies["decision", "reminder", "entered", "triggered"] == 1
        assert stage.tallies["ignored", "reminder"] == 0

    def test_history_is_asked_again(self, retrigger: Retrigger) -> None:
        """A new trigger may belong to an order that came before it."""
        matched = flow(retrigger=retrigger, exits=[SAME_CART])
        stage = Stage(matched).event(order("09:00", checkout_id="C2")).event(checkout("10:00", checkout_id="C1"))
        stage.event(checkout("10:10", checkout_id="C2"))
        assert stage.story[-2:] == [f"10:10 restarted {retrigger}", "10:10 ended bought_this_cart"]


def test_every_entry_is_a_decision_with_its_cause() -> None:
    """Semantics 9.3."""
    one = Stage(flow(version="abc")).event(checkout("10:00", id="e1")).decisions[0]
    assert (one.flow, one.flow_version, one.outcome, one.reason) == ("reminder", "abc", "entered", "triggered")
    assert one.values == {"anchor_at": "2026-11-20T10:00:00.000Z"}
    assert (one.cause.topic, one.cause.partition, one.cause.offset, one.cause.event_id) == ("log", 0, 0, "e1")
    assert one.enrollment_id is not None


def test_one_event_may_enter_several_flows_in_the_order_of_their_names() -> None:
    stage = Stage(flow(name="b"), flow(name="a"), flow(name="c", trigger="product_viewed"))
    stage.event(checkout("10:00"))
    assert [one.flow for one in stage.decisions] == ["a", "b"]


def test_events_outside_the_catalog_trigger_nothing() -> None:
    stage = Stage(flow())
    custom = event("product_viewed", "10:00")
    custom.type = "custom.quiz.finished.v1"
    assert stage.event(custom).story == []
