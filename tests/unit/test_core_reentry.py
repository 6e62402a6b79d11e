"""Re-entry: whether somebody who has been in a flow may enter again (semantics 3.6)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from schemas.conditions import InFlow, Not
from schemas.flow import Flow, Reentry
from schemas.limits import PAST_KEYS_MAX
from schemas.policy import CapRule, Policy
from tests.unit.stage import HOUR, MINUTE, Scope, Stage, at, checkout, clock_of, event, flow, order, send, wait

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


LIMITED = [
    Reentry(policy="never"),
    Reentry(policy="min_gap", min_gap_ms=48 * HOUR, counted_from="start"),
    Reentry(policy="min_gap", min_gap_ms=48 * HOUR, counted_from="end"),
    Reentry(policy="max", max=1, per_ms=48 * HOUR),
]


def in_shadow(one: Flow) -> Flow:
    return replace(one, status="shadow")


@pytest.mark.parametrize("rule", LIMITED, ids=["never", "start", "end", "max"])
@pytest.mark.parametrize("only_if_sent", [False, True])
class TestWhatWasOnlyShown:
    """Semantics 12.4: it counts while the flow is in shadow, and uses up nobody's entry."""

    def played(self, rule: Reentry, *, only_if_sent: bool) -> tuple[Flow, Stage]:
        """Somebody who has been through it in shadow, and is refused a second time."""
        one = flow(reentry=replace(rule, count_only_if_sent=only_if_sent))
        stage = Stage(in_shadow(one), clock="live").event(checkout("10:00")).tick("10:16").event(checkout("11:00"))
        assert (stage.sent, len(refusals(stage))) == ([], 1), "it shows what it would decide"
        return one, stage

    def test_who_was_in_it_enters_when_it_is_live_and_once(self, rule: Reentry, only_if_sent: bool) -> None:
        one, stage = self.played(rule, only_if_sent=only_if_sent)
        stage.activate("12:00", 1, one).event(checkout("12:01")).tick("12:17").restart().event(checkout("12:30"))
        assert stage.tick("13:00").sent == ["12:17 remind"]
        assert stage.tallies["ignored", "reminder"] == 2

    def test_what_was_for_real_counts_in_shadow_too(self, rule: Reentry, only_if_sent: bool) -> None:
        one = flow(reentry=replace(rule, count_only_if_sent=only_if_sent))
        stage = Stage(one, clock="live").event(checkout("10:00")).tick("10:16").activate("10:30", 1, in_shadow(one))
        assert len(refusals(stage.event(checkout("11:00")))) == 1

    def test_who_is_in_it_when_it_goes_live_has_entered(self, rule: Reentry, only_if_sent: bool) -> None:
        one = flow(reentry=replace(rule, count_only_if_sent=only_if_sent))
        stage = Stage(in_shadow(one), clock="live").event(checkout("10:00")).activate("10:10", 1, one).tick("10:16")
        assert stage.event(checkout("11:00")).tick("11:16").sent == ["10:16 remind"]

    def test_who_got_a_message_when_it_was_live_has_entered(self, rule: Reentry, only_if_sent: bool) -> None:
        """Also if it ends in shadow again."""
        one = flow(
            wait(15), send("first"), wait(15, label="more"), send("second"), wait(15, label="last"),
            reentry=replace(rule, count_only_if_sent=only_if_sent),
        )  # fmt: skip
        stage = Stage(in_shadow(one), clock="live").event(checkout("10:00")).tick("10:16").activate("10:20", 1, one)
        stage.tick("10:31").activate("10:40", 2, in_shadow(one)).tick("10:46").activate("10:50", 3, one)
        assert stage.event(checkout("11:00")).tick("11:16").sent == ["10:31 second"]


def test_of_messages_that_were_only_shown_none_was_sent() -> None:
    """Semantics 3.6, 12.4: for `count_only_if_sent`, who was shown one and ends without one has not been sent any."""
    one = flow(reentry=Reentry(policy="never", count_only_if_sent=True))
    two = replace(one, steps=flow(wait(15), send("first"), wait(15, label="more"), send("second")).steps)
    stage = Stage(in_shadow(two), clock="live").event(checkout("10:00")).tick("10:16").activate("10:20", 1, two)
    stage.event(order("10:21")).event(checkout("11:00")).tick("11:16")
    assert stage.sent == ["11:16 first"]


def test_who_is_in_it_with_another_key_has_entered() -> None:
    one = flow(reentry=Reentry(policy="never"), key=KEY)
    stage = Stage(in_shadow(one), clock="live").event(checkout("10:00", checkout_id="C1")).activate("10:05", 1, one)
    assert refusals(stage.event(checkout("10:06", checkout_id="C2"))) == ["reentry_never"]


@pytest.mark.parametrize("asks_in_shadow", [False, True])
def test_who_was_in_a_flow_in_shadow_has_ever_been_in_it_for_flows_in_shadow_only(asks_in_shadow: bool) -> None:
    """Semantics 10.5."""
    asking = replace(flow(name="asking", trigger="product_viewed"), filter=Not(part=InFlow(flow="reminder", ever=True)))
    stage = Stage(in_shadow(flow()), in_shadow(asking) if asks_in_shadow else asking, clock="live")
    stage.event(checkout("10:00")).tick("10:16").event(event("product_viewed", "10:20"))
    assert refusals(stage) == (["filter_false"] if asks_in_shadow else [])


def test_what_was_only_shown_is_forgotten_first() -> None:
    one = flow(reentry=Reentry(policy="never", scope="key"), key=KEY)
    stage = Stage(one, clock="live").event(checkout("10:00", checkout_id="real")).activate("10:01", 1, in_shadow(one))
    for number in range(PAST_KEYS_MAX):
        stage.event(checkout("10:02", checkout_id=str(number))).event(order("10:02", id=str(number)))
    stage.activate("10:03", 2, one)
    assert refusals(stage.event(checkout("10:04", checkout_id="real"))) == ["reentry_never"]


def test_what_is_only_shown_takes_no_room_under_a_cap() -> None:
    """Semantics 8.12: room is taken when the command is made, and none is."""
    one, policy = flow(), Policy(caps=(CapRule(channel="log", max=1, per_ms=24 * HOUR),))
    other = flow(wait(15), send("other"), name="that is judged after it")
    stage = Stage(in_shadow(one), other, clock="live", policy=policy).event(checkout("10:00")).tick("10:16")
    assert stage.story[2:] == ["10:16 sent due", "10:16 ended done", "10:16 sent due", "10:16 ended done"]
    assert stage.sent == ["10:16 other"]
