"""Recall, regret and expired commands: what becomes of a decision to send after it was made.

Semantics 7.3 to 7.5, 9.5 and 9.6.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas import codec
from schemas.conditions import Compare, FactIs
from schemas.dossier import Stated
from schemas.flow import ExitRule, Flow
from schemas.identity import Identity
from schemas.policy import Policy, QuietHours, Storefront
from schemas.steps import SetFact, Value
from schemas.window import Window
from tests.unit.stage import (
    BOUGHT,
    HOUR,
    ORDERS,
    SAME_CART,
    Stage,
    at,
    checkout,
    consent,
    event,
    flow,
    mark,
    order,
    poison,
    receipt,
    resolution,
    send,
    settle,
    wait,
)  # fmt: skip

SWISS = FactIs(compare=Compare(word="country", kind="text", operator="eq", operand="CH"))
NOT_SOLD_THERE = ExitRule(person=SWISS, reason="not_sold_there")
PERSON = Identity(external_id="ann", email="ann@example.test", phone="+12025550100")


def reminder(**more: Any) -> Flow:
    return flow(wait(15), send(channel="email"), **more)


def sent(made: Flow | None = None, *, cart: dict[str, Any] | None = None, **more: Any) -> Stage:
    """Somebody with a reminder of 10:15 in the world; it is valid until 10:30."""
    stage = Stage(made or reminder(), **more).event(checkout("10:00", identity=PERSON, **(cart or {})))
    return stage.pass_time("10:15:01")


class TestRecall:
    """Semantics 7.3."""

    def test_an_order_takes_the_message_back(self) -> None:
        stage = sent().event(order("10:20", identity=PERSON))
        [command], [recall] = stage.commands, stage.recalls
        assert stage.story[-1] == "10:20 recalled bought"
        assert (recall.command_id, recall.reason, recall.channel) == (command.command_id, "bought", "email")
        assert recall.decision_id == stage.decisions[-1].decision_id
        assert stage.decisions[-1].command_id == command.command_id
        assert stage.decisions[-1].step == "remind"

    def test_an_order_of_another_cart_does_not(self) -> None:
        made = reminder(exits=(SAME_CART,))
        stage = sent(made, cart={"checkout_id": "C1"}).event(order("10:20", identity=PERSON, checkout_id="C2"))
        assert stage.recalls == []
        assert stage.event(order("10:21", identity=PERSON, checkout_id="C1")).recalls[0].reason == "bought_this_cart"

    @pytest.mark.parametrize("exit_check", ["continuous", "at_send"])
    def test_a_run_that_goes_on_is_ended_and_its_message_recalled(self, exit_check: Any) -> None:
        chain = flow(wait(15), send(channel="email"), wait(60, label="more"), send("second"), exit_check=exit_check)
        stage = sent(chain).event(order("10:20", identity=PERSON)).finish()
        assert len(stage.recalls) == 1
        assert stage.sent == ["10:15 remind"]

    @pytest.mark.parametrize(
        ("act", "reason"), [("withdrawn", "no_consent:email"), ("suppressed", "suppressed:email"), ("granted", None)]
    )
    def test_so_does_a_change_of_consent(self, act: str, reason: str | None) -> None:
        stage = sent().event(consent("10:20", "email", act, identity=PERSON))
        assert [one.reason for one in stage.recalls] == ([reason] if reason else [])
        other = sent().event(consent("10:20", "sms", act, identity=PERSON))
        assert other.recalls == []

    def test_a_transactional_message_stays_when_consent_goes(self) -> None:
        bill = flow(wait(15), replace(send(channel="email"), message_class="transactional"))
        assert sent(bill).event(consent("10:20", "email", "withdrawn", identity=PERSON)).recalls == []

    def test_so_does_the_profile_filter_when_it_turns_false(self) -> None:
        """With a word of the trigger that nobody can change, the filter stays; with another one, it is judged anew."""
        good = Compare(word="checkout_id", kind="text", operator="eq", operand="C1")
        stage = sent(replace(reminder(), filter=good), cart={"checkout_id": "C1"})
        message = stage.partition._profiles.of(next(iter(stage.store))).known().messages[0]
        assert stage.event(consent("10:19", "sms", "granted", identity=PERSON)).recalls == []
        message.context = codec.pack_words({"checkout_id": "C2"})
        assert stage.event(consent("10:20", "sms", "granted", identity=PERSON)).recalls[0].reason == "filter_false"

    @pytest.mark.parametrize(("time", "recalled"), [("10:30", True), ("10:30:00.001", False)])
    def test_only_as_long_as_the_command_is_valid(self, time: str, recalled: bool) -> None:
        assert bool(sent().event(order(time, identity=PERSON)).recalls) == recalled

    @pytest.mark.parametrize("outcome", ["accepted", "rejected", "unknown", "failed"])
    def test_only_until_the_first_receipt(self, outcome: str) -> None:
        stage = sent()
        stage.event(receipt("10:16", stage.commands[0], outcome, identity=PERSON))
        assert stage.event(order("10:20", identity=PERSON)).recalls == []

    def test_once(self) -> None:
        """Semantics 7.5."""
        stage = sent().event(order("10:20", identity=PERSON)).event(order("10:21", identity=PERSON, order_id="2"))
        assert len(stage.recalls) == 1
        assert len({one.recall_id for one in stage.recalls}) == 1


def moved(minutes: float) -> Flow:
    """A flow that states, so long after the checkout, that the person lives in Switzerland."""
    stating = SetFact(label="move", facts={"country": Value("literal", "CH")}, next=2)
    return flow(wait(minutes), stating, name="moving", exits=())


class TestRegret:
    """Semantics 7.4."""

    def delivered(self) -> Stage:
        stage = sent()
        return stage.event(receipt("10:16", stage.commands[0], "accepted", identity=PERSON))

    def test_an_order_of_before_that_comes_late_is_regretted(self) -> None:
        stage = self.delivered().event(order("10:14", identity=PERSON), "10:40")
        assert stage.story[-1] == "10:40 regretted bought"
        assert stage.tallies["regretted", "reminder", ORDERS, "exits"] == 1
        assert stage.decisions[-1].command_id == stage.commands[0].command_id
        assert stage.recalls == []

    def test_an_order_after_it_is_what_it_is_for(self) -> None:
        stage = self.delivered().event(order("10:40", identity=PERSON))
        assert "regretted" not in [one.outcome for one in stage.decisions]

    def test_without_a_receipt_it_counts_as_delivered_when_its_time_is_over(self) -> None:
        assert sent().event(order("10:15", identity=PERSON), "10:40").story[-1] == "10:40 regretted bought"

    @pytest.mark.parametrize(("arrives", "judged"), [("+2 10:15", True), ("+2 10:15:00.001", False)])
    def test_for_48_hours(self, arrives: str, judged: bool) -> None:
        stage = self.delivered().event(order("10:14", identity=PERSON), arrives)
        assert (stage.decisions[-1].outcome == "regretted") == judged

    def test_once(self) -> None:
        """Semantics 7.5."""
        stage = self.delivered()
        for number in range(3):
            stage.event(order("10:14", identity=PERSON, order_id=str(number)), f"10:4{number}")
        assert sum(one.outcome == "regretted" for one in stage.decisions) == 1

    @pytest.mark.parametrize(("time", "outcome"), [("10:10", "regretted"), ("10:40", "sent")])
    def test_consent_that_was_gone_before(self, time: str, outcome: str) -> None:
        stage = self.delivered().event(consent(time, "email", "withdrawn", identity=PERSON), "10:40")
        assert [one.outcome for one in stage.decisions if one.outcome in ("sent", "regretted")][-1] == outcome

    def test_what_has_changed_in_its_own_time_is_not_blamed_on_a_late_event(self) -> None:
        stage = self.delivered().event(consent("10:40", "email", "withdrawn", identity=PERSON))
        stage.event(consent("10:10", "sms", "withdrawn", identity=PERSON), "10:50")
        assert "regretted" not in [one.outcome for one in stage.decisions]

    def test_who_unsubscribes_after_a_message_hides_nothing_that_comes_to_be_known_later(self) -> None:
        stage = self.delivered().event(consent("10:40", "email", "withdrawn", identity=PERSON))
        stage.event(consent("10:10", "email", "suppressed", identity=PERSON), "10:50")
        assert stage.story[-1] == "10:50 regretted suppressed:email"

    def test_a_rule_on_the_person_that_became_true_in_its_own_time_is_not_blamed_on_a_late_event(self) -> None:
        stage = sent(reminder(exits=(NOT_SOLD_THERE,)))
        stage.event(event("profile_updated", "10:40", identity=PERSON, country="CH"))
        stage.event(order("10:10", identity=PERSON), "10:50")
        assert "regretted" not in [one.outcome for one in stage.decisions]

    def test_nor_one_that_a_flow_has_made_true(self) -> None:
        stage = Stage(reminder(exits=(NOT_SOLD_THERE,)), moved(40)).event(checkout("10:00", identity=PERSON))
        stage.pass_time("10:41").event(order("10:10", identity=PERSON), "10:50")
        assert "regretted" not in [one.outcome for one in stage.decisions]

    def test_a_late_order_is_regretted_whatever_has_changed_in_its_own_time(self) -> None:
        stage = self.delivered().event(consent("10:40", "email", "withdrawn", identity=PERSON))
        assert stage.event(order("10:10", identity=PERSON), "10:50").story[-1] == "10:50 regretted bought"


class TestExpired:
    """Semantics 9.6."""

    def expired(self, made: Flow | None = None, **more: Any) -> Stage:
        stage = sent(made, **more)
        return stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON))

    def test_it_is_judged_again_and_ordered_under_a_new_id(self) -> None:
        stage = self.expired().finish()
        first, second = stage.commands
        assert stage.sent == ["10:15 remind", "10:31 remind"]
        assert (first.visit, second.visit, first.enrollment_id == second.enrollment_id) == (1, 2, True)
        assert first.command_id != second.command_id
        assert first.variables == second.variables
        assert (stage.partition.pending, stage.profile().known().messages[0].again_at) == (0, 0)

    def test_by_all_gates(self) -> None:
        chain = flow(wait(15), settle(hold=60), replace(send(channel="email"), window=Window(10 * HOUR, 11 * HOUR)))
        stage = Stage(chain).event(checkout("10:00", identity=PERSON)).watermark(mark("10:15"), "10:15")
        stage.pass_time("10:16")
        stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON)).pass_time("10:40")
        assert stage.story[-1] == "10:31 held settle"
        stage.watermark(mark("10:31"), "11:20").pass_time("11:30")
        assert stage.story[-1] == "11:20 held window"
        stage.restart().watermark(mark("+1 10:00"), "+1 10:01").finish()
        assert stage.sent == ["10:15 remind", "+1 10:01 remind"]

    def test_while_its_run_goes_on_and_never_with_the_id_of_a_message_of_it(self) -> None:
        chain = flow(wait(15), send(channel="email"), wait(30, label="more"), send("second", channel="email"))
        stage = self.expired(chain).finish()
        assert stage.sent == ["10:15 remind", "10:31 remind", "10:45 second"]
        assert len({one.command_id for one in stage.commands}) == 3

    def test_the_most_urgent_first(self) -> None:
        """Semantics 8.13."""
        urgent = replace(send("urgent", channel="email"), priority=9)
        stage = Stage(flow(wait(15), send("low", channel="email"), urgent, wait(16, label="more"), send("last")))
        stage.event(checkout("10:00", identity=PERSON)).pass_time("10:16")
        for command in stage.commands[:]:
            stage.event(receipt("10:31", command, "expired", identity=PERSON))
        assert stage.finish().sent[2:] == ["10:31 urgent", "10:31 last", "10:31 low"]

    def test_not_even_when_it_is_begun_anew(self) -> None:
        chain = flow(wait(15), send(channel="email"), wait(300, label="more"), send("second"), retrigger="restart")
        stage = self.expired(chain).pass_time("10:35").event(checkout("10:40", identity=PERSON)).finish()
        assert stage.sent == ["10:15 remind", "10:31 remind", "10:55 remind", "15:55 second"]
        assert len({one.command_id for one in stage.commands}) == 4

    def test_an_order_meanwhile_is_why_it_is_not_ordered_anew(self) -> None:
        night = QuietHours(channels=("email",), window=Window(int(10.5 * HOUR), 12 * HOUR))
        stage = self.expired(policy=Policy(quiet_hours=(night,))).pass_time("10:40")
        assert stage.story[-1] == "10:31 held quiet_hours"
        stage.event(order("11:00", identity=PERSON)).finish()
        assert stage.story[-1] == "11:00 skipped bought"
        assert len(stage.commands) == 1

    def waiting(self, *others: Flow) -> Stage:
        """An expired message waits for a Monday, which is in three days."""
        monday = replace(send(channel="email"), window=Window(0, 24 * HOUR, weekdays=(0, 4)), valid_ms=12 * HOUR)
        stage = Stage(flow(wait(15), monday, exits=(BOUGHT, NOT_SOLD_THERE)), *others)
        stage.event(checkout("10:00", identity=PERSON)).pass_time("10:16")
        stage.event(receipt("+1 01:00", stage.commands[0], "expired", identity=PERSON)).pass_time("+1 01:01")
        assert stage.story[-1] == "+1 01:00 held window"
        return stage

    def test_what_waits_to_be_ordered_anew_is_given_up_by_an_order_after_more_than_48_hours(self) -> None:
        stage = self.waiting().event(order("+2 20:00", identity=PERSON)).finish()
        assert stage.story[-1] == "+2 20:00 skipped bought"
        assert len(stage.commands) == 1

    def test_or_by_what_another_flow_states(self) -> None:
        stage = self.waiting(moved(60 * 24 * 2)).finish()
        assert stage.story[-1] == "+2 10:00 skipped not_sold_there"
        assert len(stage.commands) == 1

    def test_not_after_a_recall(self) -> None:
        stage = sent().event(order("10:20", identity=PERSON))
        stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON)).finish()
        assert stage.story[-1] == "10:20 recalled bought"

    def test_an_order_that_was_known_before_is_seen(self) -> None:
        """The order came after the command had become invalid and before its receipt: too late for a recall."""
        stage = sent().event(order("10:30:30", identity=PERSON))
        stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON)).finish()
        assert stage.story[-1] == "10:31 skipped bought"

    def test_poison_holds_it_too(self) -> None:
        stage = Stage(reminder(), clock="live").event(checkout("10:00", identity=PERSON)).tick("10:15")
        stage.append(poison("10:20"))
        stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON)).tick("10:32")
        assert stage.story[-1] == "10:32 held poison"
        assert stage.append(resolution("11:00", 2)).tick("11:01").sent == ["10:15 remind", "11:01 remind"]

    def test_over_a_restart(self) -> None:
        stage = Stage(reminder(), clock="live").event(checkout("10:00", identity=PERSON)).tick("10:15")
        stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON)).restart()
        assert stage.partition.pending == 1
        assert codec.peek(next(iter(stage.store.values())))[1] == at("10:31")
        assert stage.tick("10:32").sent == ["10:15 remind", "10:32 remind"]

    def test_of_a_flow_that_is_gone_nothing_more_is_said(self) -> None:
        from streams.program import build

        stage = Stage(reminder(), clock="live").event(checkout("10:00", identity=PERSON)).tick("10:15")
        stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON))
        stage.restart(build([flow(name="other")])).tick("10:32")
        assert (len(stage.commands), stage.partition.pending) == (1, 0)


class TestCommands:
    """Semantics 9.5."""

    def test_a_command_says_whose_it_is_and_repeats_what_the_message_names(self) -> None:
        two = Storefront(name="Two", locale="de-DE", sender="Two <hello@two.example>")
        values = {
            "code": Value("trigger", "coupon"),
            "name": Value("fact", "first_name"),
            "shop": Value("literal", "x"),
        }
        step = replace(send(channel="email"), variables=values, storefront=Value("trigger", "channel_id"))
        stage = Stage(flow(wait(15), step), policy=Policy(storefronts={"2": two}))
        stage.event(checkout("10:00", identity=PERSON, channel_id="2", coupon="SAVE5"))
        profile = stage.partition._profiles.of(next(iter(stage.store)))
        profile.known().facts["first_name"] = Stated("Ann", at("09:00"))
        [command] = stage.finish().commands
        assert (command.storefront, command.sender, command.locale) == ("2", two.sender, two.locale)
        assert command.variables == {
            "trigger": {"channel_id": "2", "coupon": "SAVE5"}, "code": "SAVE5", "name": "Ann", "shop": "x",
        }  # fmt: skip

    def test_what_is_not_there_is_left_out(self) -> None:
        step = replace(send(channel="email"), variables={"code": Value("trigger", "coupon")})
        [command] = Stage(flow(wait(15), step)).event(checkout("10:00", identity=PERSON)).finish().commands
        assert command.variables == {"trigger": {}}

    def test_messages_of_one_moment_belong_together(self) -> None:
        chain = flow(
            wait(15), send("a", channel="email"), send("b", channel="sms"), wait(30, label="more"), send("c")
        )  # fmt: skip
        stage = Stage(chain).event(checkout("10:00", identity=PERSON)).finish()
        one, two, three = (command.decision_group for command in stage.commands)
        assert one == two != three

    def test_events_of_no_message_cost_nothing(self) -> None:
        stage = Stage(reminder()).event(event("list_subscribed", "10:00", identity=PERSON))
        assert stage.profile().dossier is None
