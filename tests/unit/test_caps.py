"""Frequency caps: reserved by commands, confirmed or given back by receipts, and judged by a naive oracle, too.

Semantics 8.10 to 8.12.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.conditions import Compare, EventMatch
from schemas.identity import Identity
from schemas.instants import from_wire
from schemas.limits import MESSAGES_MAX
from schemas.policy import CapRule, Policy
from schemas.span import Span
from schemas.steps import Arm, Branch, Cap, Send, Split, Value, WaitEvent
from tests.oracle import caps as naive
from tests.unit.stage import HOUR, MINUTE, Stage, at, checkout, event, flow, order, receipt, send, wait
from tests.unit.written import written

PERSON = Identity(external_id="ann", email="ann@example.test", phone="+12025550100")
TWO_A_DAY = Cap(group="g", max=2, per_ms=24 * HOUR)


def capped(cap: Cap | None = TWO_A_DAY, *, name: str = "f", trigger: str = "checkout_started", **more: Any) -> Any:
    step = replace(send(channel="email"), cap=cap, **more)
    return flow(wait(15), step, name=name, trigger=trigger, key="checkout_id", exits=())


def at_carts(stage: Stage, *times: str) -> Stage:
    for number, time in enumerate(times):
        stage.event(checkout(time, checkout_id=f"C{number}", identity=PERSON))
    return stage


class TestRoom:
    def test_what_is_over_is_skipped(self) -> None:
        """Semantics 8.10."""
        stage = at_carts(Stage(capped()), "10:00", "11:00", "12:00").finish()
        assert stage.sent == ["10:15 remind", "11:15 remind"]
        assert "12:15 skipped capped:g" in stage.story
        [decision] = [one for one in stage.decisions if one.outcome == "skipped"]
        assert decision.values == {"max": 2, "per_seconds": 86_400.0, "room_at": "2026-11-21T10:15:00.000Z"}

    def test_a_message_takes_room_for_exactly_as_long_as_said(self) -> None:
        stage = at_carts(Stage(capped(replace(TWO_A_DAY, max=1))), "10:00", "+1 09:59:59.999", "+1 10:00").finish()
        assert stage.sent == ["10:15 remind", "+1 10:15 remind"]

    def test_what_is_only_shown_takes_none_not_even_from_the_next_message_of_its_run(self) -> None:
        """Semantics 12.4."""
        first = replace(send(channel="email"), cap=replace(TWO_A_DAY, max=1))
        shown = replace(flow(first, replace(first, label="again", next=2), exits=()), status="shadow")
        stage = at_carts(Stage(shown), "10:00", "10:00:01").finish()
        assert [one.outcome for one in stage.decisions] == ["entered", "sent", "sent", "ended"] * 2
        assert stage.sent == []

    def test_what_may_wait_goes_when_there_is_room(self) -> None:
        """Semantics 8.11."""
        cap = replace(TWO_A_DAY, max=1, when_capped="defer", expires_ms=48 * HOUR)
        stage = at_carts(Stage(capped(cap)), "10:00", "12:00").finish()
        assert stage.sent == ["10:15 remind", "+1 10:15 remind"]
        assert "12:15 held cap" in stage.story

    def test_what_has_waited_long_enough_is_skipped(self) -> None:
        cap = replace(TWO_A_DAY, max=1, when_capped="defer", expires_ms=12 * HOUR)
        stage = at_carts(Stage(capped(cap)), "10:00", "12:00").finish()
        assert stage.sent == ["10:15 remind"]
        assert "+1 00:15 skipped cap_expired:g" in stage.story

    def test_an_exit_ends_who_waits_for_room(self) -> None:
        cap = replace(TWO_A_DAY, max=1, when_capped="defer", expires_ms=48 * HOUR)
        waits = replace(capped(cap), exits=flow().exits)
        stage = at_carts(Stage(waits), "10:00", "12:00").event(order("13:00", identity=PERSON)).finish()
        assert stage.sent == ["10:15 remind"]
        assert stage.story[-1] == "13:00 ended bought"

    def test_flows_share_the_room_of_a_group_and_of_the_policy(self) -> None:
        view = capped(None, name="view", trigger="product_viewed", storefront=Value("literal", "2"))
        view = replace(view, key=None)
        rules = {
            "all": CapRule(max=1, per_ms=24 * HOUR),
            "email": CapRule(channel="email", max=1, per_ms=24 * HOUR),
            "2": CapRule(storefront="2", max=1, per_ms=24 * HOUR),
            "marketing": CapRule(message_class="marketing", max=1, per_ms=24 * HOUR),
        }
        for name, rule in rules.items():
            stage = Stage(view, capped(storefront=Value("literal", "2")), policy=Policy(caps=(rule,)))
            stage.event(event("product_viewed", "10:00", identity=PERSON))
            assert f"11:15 skipped capped:{name}" in at_carts(stage, "11:00").finish().story

    def test_transactional_messages_take_no_room(self) -> None:
        """Semantics 8.9."""
        bill = replace(capped(name="bill", message_class="transactional"), name="bill")
        stage = at_carts(Stage(bill, capped(replace(TWO_A_DAY, max=1))), "10:00").finish()
        assert [command.flow for command in stage.commands] == ["bill", "f"]


class TestReceipts:
    """Semantics 8.12."""

    CAP = replace(TWO_A_DAY, max=1, when_capped="defer", expires_ms=48 * HOUR)

    @pytest.mark.parametrize(
        ("outcome", "sent"),
        [
            ("accepted", "+1 10:15"),
            ("unknown", "+1 10:15"),
            ("nonsense", "+1 10:15"),
            ("rejected", "12:30"),
            ("failed", "12:30"),
            ("recalled", "12:30"),
        ],
    )
    def test_room_is_confirmed_or_given_back(self, outcome: str, sent: str) -> None:
        stage = at_carts(Stage(capped(self.CAP)), "10:00", "12:00").pass_time("12:20")
        stage.event(receipt("12:30", stage.commands[0], outcome, identity=PERSON)).finish()
        assert stage.sent == ["10:15 remind", f"{sent} remind"]

    @pytest.mark.parametrize("first", ["accepted", "unknown"])
    def test_the_first_receipt_counts_but_for_a_bounce(self, first: str) -> None:
        stage = at_carts(Stage(capped(self.CAP)), "10:00", "12:00").pass_time("12:20")
        [command] = stage.commands
        for time, outcome in (("12:21", first), ("12:22", "failed"), ("12:23", "expired")):
            stage.event(receipt(time, command, outcome, identity=PERSON))
        assert len(stage.pass_time("12:25").sent) == 1
        assert stage.event(receipt("12:26", command, "rejected", identity=PERSON)).finish().sent[1] == "12:26 remind"

    def test_a_receipt_of_a_command_that_nobody_remembers_is_counted(self) -> None:
        stage = at_carts(Stage(capped()), "10:00").finish()
        unknown = replace(stage.commands[0], command_id="0" * 32)
        assert stage.event(receipt("12:00", unknown, "accepted")).tallies["receipt", "not_matched"] == 1


class TestPriority:
    """Semantics 8.13."""

    def test_the_most_urgent_message_of_a_moment_takes_the_room(self) -> None:
        cap = replace(TWO_A_DAY, max=1)
        for low, high in (("a", "b"), ("b", "a")):
            first, second = capped(cap, name=low, priority=2), capped(cap, name=high, priority=8)
            stage = at_carts(Stage(first, second), "10:00").finish()
            assert [command.flow for command in stage.commands] == [high]

    @pytest.mark.parametrize("way", ["split", "wait_event"])
    def test_whatever_step_leads_to_it(self, way: str) -> None:
        cap = replace(TWO_A_DAY, max=1)
        first, second = capped(cap, name="a", priority=2), capped(cap, name="b", priority=8)
        steps = list(second.steps)
        if way == "split":
            split = Split(label="ab", salt="s", arms=(Arm(name="only", weight=1, next=2),))
            steps[1:] = [split, *(replace(step, next=3) if isinstance(step, Send) else step for step in steps[1:])]
        else:
            never = Branch(when=EventMatch(event="product_viewed"), next=2)
            steps[0] = WaitEvent(label="wait", branches=(never,), timeout=Span(ms=15 * MINUTE), on_timeout=1)
        stage = at_carts(Stage(first, replace(second, steps=tuple(steps))), "10:00").finish()
        assert [command.flow for command in stage.commands] == ["b"]

    def test_who_comes_to_another_one_at_the_same_moment_is_asked_with_all_others(self) -> None:
        """A wait for what is past is none: the second message of `a` is more urgent than that of `b`."""
        past = {"wait": {"until_date": "trigger.subject"}}
        urgent = [{"label": f"p{one}", "send": {"template": "t", "channel": "log", "priority": one}} for one in (8, 9)]
        usual = {"label": "p7", "send": {"template": "t", "channel": "log", "priority": 7}}
        quarter = {"wait": {"for": "15m"}}
        stage = Stage(written(quarter, urgent[0], past, urgent[1], name="a"), written(quarter, usual, name="b"))
        stage.event(replace(checkout("10:00"), subject="2026-11-01")).finish()
        assert [command.step for command in stage.commands] == ["p8", "p9", "p7"]

    def test_of_equals_who_has_waited_gives_way(self) -> None:
        cap = replace(TWO_A_DAY, max=1, when_capped="defer", expires_ms=72 * HOUR)
        stage = at_carts(Stage(capped(cap)), "10:00", "11:00", "+1 10:00").finish()
        keys = [command.variables["trigger"]["checkout_id"] for command in stage.commands]
        assert keys == ["C0", "C2", "C1"]


def test_messages_are_forgotten_when_nobody_asks_for_them_and_never_too_many_are_kept() -> None:
    """Semantics 8.14."""
    long = replace(TWO_A_DAY, max=1000, per_ms=MINUTE)
    stage = Stage(capped(long))
    for number in range(MESSAGES_MAX + 3):
        stage.event(
            checkout("10:00", checkout_id=f"C{number}", identity=PERSON), f"{10 + number // 60}:{number % 60:02}"
        )
        stage.pass_time(f"{11 + number // 60}:{number % 60:02}")
    assert stage.tallies["evicted", "messages"] == 3
    assert len(stage.profile().known().messages) == MESSAGES_MAX
    at_carts(stage, "+3 10:00").finish()
    assert len(stage.profile().known().messages) == 1


def minutes(most: int) -> st.SearchStrategy[int]:
    return st.integers(1, most)


RULES = st.lists(
    st.builds(
        naive.Rule,
        group=st.sampled_from([None, "a", "b"]),
        channel=st.sampled_from([None, "email", "sms"]),
        storefront=st.sampled_from([None, "1", "2"]),
        most=st.integers(1, 3),
        per=minutes(40),
        waits=st.one_of(st.none(), minutes(30)),
    ),
    min_size=1,
    max_size=4,
)
WISHES = st.lists(
    st.tuples(
        minutes(60),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["email", "sms"]),
        st.sampled_from(["1", "2"]),
        st.one_of(st.none(), minutes(20)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(rules=RULES, wishes=WISHES)
def test_caps_are_those_of_a_naive_oracle(rules: list[naive.Rule], wishes: list[Any]) -> None:
    """Semantics 8.10 to 8.12. In steps of a minute; a wish is settled before the next one comes."""
    told: list[naive.Gone | naive.Not] = []
    gone: list[naive.Gone] = []
    start = 0
    for gap, *rest in wishes:
        start = max([start + gap, *(one.at + 1 for one in told[-1:])])
        told.append(naive.settle(rules, naive.Wish(start, *rest), gone))
        if isinstance(told[-1], naive.Gone):
            gone.append(told[-1])
    assert _by_the_engine(rules, [one.wish for one in told]) == told


def _by_the_engine(rules: list[naive.Rule], wishes: list[naive.Wish]) -> list[naive.Gone | naive.Not]:
    policy = Policy(
        caps=tuple(
            CapRule(
                group=rule.group, channel=rule.channel, storefront=rule.storefront, max=rule.most,
                per_ms=rule.per * MINUTE, when_capped="skip" if rule.waits is None else "defer",
                expires_ms=(rule.waits or 0) * MINUTE,
            )
            for rule in rules
        )
    )  # fmt: skip
    flows = [_flow(number, wish) for number, wish in enumerate(wishes)]
    stage, begin = Stage(*flows, policy=policy), at("00:00")
    returning: dict[int, list[Any]] = {}
    for minute in range(max(wish.at for wish in wishes) + 80):
        for command in returning.pop(minute, ()):
            stage.event(receipt(_clock(minute), command, "failed", identity=PERSON))
        for number, wish in enumerate(wishes):
            if wish.at == minute:
                stage.event(event("list_subscribed", _clock(minute), identity=PERSON, list_id=str(number)))
        known = len(stage.commands)
        stage.pass_time(_clock(minute, seconds=30))
        for command in stage.commands[known:]:
            back = wishes[int(command.flow)].returned_after
            if back is not None:
                returning.setdefault(minute + back, []).append(command)
    told: list[naive.Gone | naive.Not] = []
    for number, wish in enumerate(wishes):
        [done] = [one for one in stage.decisions if one.flow == str(number) and one.outcome in ("sent", "skipped")]
        minute = (from_wire(done.decided_at) - begin) // MINUTE
        told.append((naive.Gone if done.outcome == "sent" else naive.Not)(minute, wish))
    return told


def _flow(number: int, wish: naive.Wish) -> Any:
    group = Cap(group=wish.group, max=1000, per_ms=1)
    step: Send = replace(send(channel=wish.channel), cap=group, storefront=Value("literal", wish.storefront))
    where = Compare(word="list_id", kind="text", operator="eq", operand=str(number))
    return flow(step, name=str(number), trigger="list_subscribed", where=where, exits=())


def _clock(minute: int, *, seconds: int = 0) -> str:
    return f"+{minute // 1440} {minute // 60 % 24:02}:{minute % 60:02}:{seconds:02}"
