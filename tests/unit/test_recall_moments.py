"""Recalls by what is no event: by flows, operators and time alone; and the filter that a late message has not asked.

Semantics 5.8 and 7.3.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.conditions import Compare, EventCount, EventMatch, InFlow, Not, NowBetween
from schemas.flow import ExitRule, Flow
from schemas.policy import Policy
from schemas.steps import SetFact, Value
from schemas.window import Window
from streams.program import build
from tests.unit.stage import HOUR, MINUTE, Stage, checkout, consent, event, flow, order, receipt, send, wait
from tests.unit.test_recall import NOT_SOLD_THERE, PERSON, SWISS, moved, reminder


class TestByWhatIsNoEvent:
    """Semantics 7.3: what a flow does, what an operator does, and what changes by time alone."""

    @pytest.mark.parametrize(
        ("shut", "reason"), [({"filter": Not(part=SWISS)}, None), ({"exits": (NOT_SOLD_THERE,)}, "not_sold_there")]
    )
    @pytest.mark.parametrize(("minutes", "recalled"), [(20, True), (15, True), (31, False)])
    def test_what_another_flow_states(
        self, shut: dict[str, Any], reason: str | None, minutes: float, recalled: bool
    ) -> None:
        stage = Stage(replace(reminder(), **shut), moved(minutes))
        stage.event(event("profile_updated", "09:00", identity=PERSON, country="US"))
        stage.event(checkout("10:00", identity=PERSON)).finish()
        assert [one.reason for one in stage.recalls] == [reason or "filter_false"] * recalled
        assert ("sent" in [one.outcome for one in stage.decisions]) == (minutes > 15 or recalled)

    def test_also_when_its_own_flow_states_it(self) -> None:
        stating = SetFact(label="move", facts={"country": Value("literal", "CH")}, next=3)
        stage = Stage(flow(wait(15), send(channel="email"), stating, exits=(NOT_SOLD_THERE,)))
        stage.event(checkout("10:00", identity=PERSON)).pass_time("10:16")
        assert stage.recalls == [], "what is ordered is not judged twice for it"
        stage.event(event("list_subscribed", "10:21", identity=PERSON))
        assert [one.reason for one in stage.recalls] == ["not_sold_there"]

    def test_another_flow_that_ends_because_a_third_one_does(self) -> None:
        """First all has settled that the event does."""
        left, gone = (ExitRule(person=Not(part=InFlow(flow=one)), reason=one) for one in ("bought", "followed"))
        bought, followed = (flow(wait(60), name=one, trigger="product_viewed") for one in ("bought", "followed"))
        stage = Stage(reminder(exits=(gone,)), bought, replace(followed, exits=(left,)))
        stage.event(event("product_viewed", "09:59", identity=PERSON))
        stage.event(checkout("10:00", identity=PERSON)).pass_time("10:16")
        stage.event(order("10:20", identity=PERSON))
        assert stage.story[-3:] == ["10:20 ended bought", "10:20 ended bought", "10:20 recalled followed"]

    def test_another_flow_that_an_operator_ends(self) -> None:
        other = ExitRule(person=Not(part=InFlow(flow="other")), reason="left_the_other")
        old, new = (flow(wait(60), name="other", version=one, exits=()) for one in "12")
        new = replace(new, exits=(NOT_SOLD_THERE,))
        stage = Stage(reminder(exits=(other,)), old, clock="live").activate(
            "09:00", 7, reminder(exits=(other,)), new, old
        )
        stage.event(event("profile_updated", "09:01", identity=PERSON, country="CH"))
        stage.activate("09:02", 8, reminder(exits=(other,)), old, new)
        stage.event(checkout("10:00", identity=PERSON)).tick("10:16")
        key = next(iter(stage.store))
        assert stage.move("10:20", new, key).story[-2:] == [
            "10:20 ended not_sold_there",
            "10:20 recalled left_the_other",
        ]

    @pytest.mark.parametrize("others", [(), (flow(wait(60), name="other"),)], ids=["alone", "beside another"])
    def test_an_order_when_the_flow_has_been_stopped_since(self, others: tuple[Flow, ...]) -> None:
        """Semantics 7.3: also when no other flow looks at orders."""
        stage = Stage(reminder(), *others, clock="live").event(checkout("10:00", identity=PERSON)).tick("10:16")
        stage.restart(build([replace(reminder(), status="stopped"), *others]))
        assert [one.reason for one in stage.event(order("10:20", identity=PERSON)).recalls] == ["bought"]

    def test_a_policy_that_asks_for_a_yes_at_the_next_event_of_whatever_kind(self) -> None:
        stage = Stage(reminder(), clock="live").event(checkout("10:00", identity=PERSON)).tick("10:16")
        stage.restart(build([reminder()], policy=Policy(consent="required")))
        stage.event(event("product_viewed", "10:20", identity=PERSON))
        assert [one.reason for one in stage.recalls] == ["no_consent:email"]

    def test_a_fact_by_which_one_to_be_ordered_anew_is_of_a_storefront_that_may_not_write(self) -> None:
        """Semantics 9.6."""
        step = replace(send(channel="email"), storefront=Value("fact", "shop"))
        stage = Stage(flow(wait(15), step), clock="live", policy=Policy(facts={"shop": "text"}))
        stage.event(event("profile_updated", "09:00", identity=PERSON, shop="1"))
        stage.event(consent("09:01", "email", "withdrawn", identity=PERSON, storefront="2"))
        stage.event(checkout("10:00", identity=PERSON)).tick("10:16")
        stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON))
        stage.event(event("profile_updated", "10:32", identity=PERSON, shop="2"))
        assert stage.story[-1] == "10:32 skipped no_consent:email"

    def test_time_alone_at_the_next_event_even_one_that_nobody_asks_for(self) -> None:
        some = Compare(word="count", kind="number", operator="gte", operand=1)
        seen = EventCount(of=EventMatch(event="product_viewed"), within_ms=30 * MINUTE, tests=(some,))
        stage = Stage(replace(reminder(), filter=seen)).event(event("product_viewed", "09:50", identity=PERSON))
        stage.event(checkout("10:00", identity=PERSON)).pass_time("10:16").pass_time("10:20:01")
        assert stage.recalls == []
        stage.event(event("list_subscribed", "10:21", identity=PERSON))
        assert stage.story[-1] == "10:21 recalled filter_false"

    def test_time_alone_at_the_next_time_that_a_flow_goes_on(self) -> None:
        early = NowBetween(window=Window(10 * HOUR, int(10.3 * HOUR)))
        stage = Stage(replace(reminder(), filter=early), flow(wait(21), send("other"), name="other"))
        stage.event(checkout("10:00", identity=PERSON)).finish()
        assert [one for one in stage.story if "recalled" in one] == ["10:21 recalled filter_false"]


class TestFilterOfALateMessage:
    """Semantics 5.8, 7.3: one that went without asking the filter is not taken back by it."""

    def late(self, ticks_at: str) -> Stage:
        step = replace(send(channel="email"), when_late="send", max_lateness_ms=MINUTE)
        stage = Stage(replace(flow(wait(15), step), filter=Not(part=SWISS)), clock="live")
        stage.event(event("profile_updated", "09:00", identity=PERSON, country="US"))
        stage.event(checkout("10:00", identity=PERSON))
        if ticks_at > "10:16":
            stage.event(event("profile_updated", "10:10", identity=PERSON, country="CH"))
        return stage.tick(ticks_at)

    def test_it_stays(self) -> None:
        stage = self.late("10:20").event(event("list_subscribed", "10:21", identity=PERSON))
        stage.event(event("profile_updated", "10:22", identity=PERSON, first_name="Ann")).tick("10:23")
        assert (stage.sent, stage.recalls) == (["10:20 remind"], [])

    def test_an_exit_takes_it_back_all_the_same(self) -> None:
        assert self.late("10:20").event(order("10:21", identity=PERSON)).recalls[0].reason == "bought"

    def test_one_that_was_in_time_is_taken_back_however_long_ago_that_was(self) -> None:
        stage = self.late("10:15").event(event("profile_updated", "10:25", identity=PERSON, country="CH"))
        assert [one.reason for one in stage.recalls] == ["filter_false"]

    def test_ordered_anew_it_is_not_late(self) -> None:
        stage = self.late("10:20")
        stage.event(receipt("10:36", stage.commands[0], "expired", identity=PERSON)).tick("10:37")
        assert stage.story[-1] == "10:36 skipped filter_false"
        assert len(stage.commands) == 1
