"""The nastiest inputs that the sentences of the law can be given, one after the other: what must hold also there."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.flow import Flow
from schemas.identity import Identity
from schemas.limits import ENTERED_ON_MAX
from tests.unit.stage import Stage, checkout, consent, event, mark, order, receipt
from tests.unit.written import said, say, states, written

PERSON = Identity(external_id="ann", email="ann@example.test")
WAIT = {"label": "wait", "wait": {"for": "15m"}}
ONE = {"group": "g", "max": 1, "per": "1h"}
DEFER = ONE | {"when_capped": "defer", "expires": "30m"}


def mail(label: str = "remind", **more: Any) -> dict[str, Any]:
    return {"label": label, "send": {"template": "t", "channel": "email", **more}}


def version(flow: Flow, number: int) -> Flow:
    return replace(flow, version=str(number))


class TestPriority:
    """Semantics 8.13: of the messages due at one moment, the one with the higher priority is judged first."""

    @pytest.mark.parametrize(
        "way",
        [
            [WAIT, {"split": {"arms": {"a": {"weight": 1}}}}],
            [WAIT, {"set": {"nudged": True}}],
            [WAIT, {"emit": {"event": "custom_nudged"}}],
            [WAIT, {"enter_flow": {"flow": "nobody"}}],
            [{"wait_event": {"event": "order_fulfilled", "timeout": "15m"}}],
        ],
        ids=["split", "set", "emit", "enter_flow", "wait_event"],
    )
    def test_whatever_steps_lead_to_it(self, way: list[Any]) -> None:
        low = written(WAIT, mail(priority=2, cap=ONE), name="a")
        high = written(*way, mail(priority=8, cap=ONE), name="b")
        stage = Stage(low, high).event(checkout("10:00", identity=PERSON)).finish()
        assert [command.flow for command in stage.commands] == ["b"]

    def test_of_an_event_that_is_awaited_the_way_that_it_opens_counts(self) -> None:
        branch = {"event": "order_fulfilled", "timeout": "1h"}
        ways = {"then": [mail("soon", priority=1, cap=ONE)], "on_timeout": [mail("late", priority=9, cap=ONE)]}
        waits = written({"wait_event": branch | ways}, name="b")
        low = written(WAIT, mail(priority=5, cap=ONE), name="a")
        stage = Stage(waits, low, clock="live").tick("09:00").event(checkout("10:00", identity=PERSON))
        stage.event(event("order_fulfilled", "10:15", identity=PERSON)).tick("10:16")
        assert [command.flow for command in stage.commands] == ["a"]

    def test_a_later_message_lends_its_priority_to_none_before_it(self) -> None:
        low = written(WAIT, mail("low", priority=1, cap=ONE), mail("urgent", priority=9), name="a")
        other = written(WAIT, mail(priority=5, cap=ONE), name="b")
        stage = Stage(low, other).event(checkout("10:00", identity=PERSON)).finish()
        assert [(command.flow, command.step) for command in stage.commands] == [("b", "remind"), ("a", "urgent")]

    @pytest.mark.parametrize(("country", "first"), [("US", "b"), ("CH", "a")])
    def test_behind_an_if_the_message_counts_that_it_leads_to(self, country: str, first: str) -> None:
        ways = {"condition": {"fact": {"country": {"eq": "US"}}}, "then": [mail("yes", priority=9, cap=ONE)]}
        asks = written(WAIT, {"if": ways | {"otherwise": [mail("no", priority=1, cap=ONE)]}}, name="b")
        low = written(WAIT, mail(priority=5, cap=ONE), name="a")
        stage = Stage(asks, low).event(event("profile_updated", "09:00", identity=PERSON, country=country))
        assert [one.flow for one in stage.event(checkout("10:00", identity=PERSON)).finish().commands] == [first]


class TestFacts:
    """Facts that nobody states, what we have seen ourselves, are facts wherever one may stand (10.5, 3.8, 5.9, 8.6)."""

    def test_a_message_repeats_them(self) -> None:
        flow = written(mail(variables={"to": "fact.email", "seen": "fact.last_seen_at"}))
        [command] = Stage(flow).event(checkout("10:00", identity=PERSON)).finish().commands
        assert command.variables["to"] == "ann@example.test"
        assert command.variables["seen"] == "2026-11-20T10:00:00.000Z"

    def test_a_route_looks_at_them(self) -> None:
        ways = {"by": "fact.external_id", "cases": {"ann": "known"}, "otherwise": {"stop": "unknown"}}
        assert Stage(written({"route": ways}, say("known"))).event(checkout("10:00")).finish().sent == ["10:00 known"]

    def test_somebody_who_was_not_there_for_days_is_asked_back_from_when_they_were_seen_last(self) -> None:
        flow = written(say("back"), trigger={"date": {"fact": "last_seen_at", "after": "3d"}})
        stage = Stage(flow).event(checkout("10:00")).event(event("site_active", "+2 12:00")).pass_time("+9 00:00")
        assert stage.sent == ["+5 12:00 back"]

    def test_a_date_may_be_when_they_were_first_seen(self) -> None:
        flow = written(say("week"), trigger={"date": {"fact": "first_seen_at", "after": "7d"}})
        stage = Stage(flow).event(checkout("10:00")).event(event("site_active", "+2 12:00")).pass_time("+9 00:00")
        assert stage.sent == ["+7 10:00 week"]

    def test_an_address_that_was_said_lately_is_fresh(self) -> None:
        flow = written({"wait": {"for": "2h"}}, mail(fresh={"email": "1h"}))
        stage = Stage(flow).event(checkout("10:00", identity=PERSON)).finish()
        assert "12:00 skipped stale_fact:email" in stage.story
        again = Stage(flow).event(checkout("10:00", identity=PERSON))
        assert again.event(event("site_active", "11:00", identity=PERSON)).finish().sent == ["12:00 remind"]

    def test_a_fact_that_was_unset_lately_is_not_fresh(self) -> None:
        """Semantics 8.6."""
        stage = Stage(written({"wait": {"for": "2h"}}, mail(fresh={"tier": "1d"})))
        stage.event(event("profile_updated", "09:00", tier="gold")).event(checkout("10:00", identity=PERSON))
        assert stage.event(event("profile_updated", "11:00", tier=None)).finish().sent == []

    @pytest.mark.parametrize(
        "condition",
        [{"email": {"is_set": True}}, {"last_seen_at": {"gt": "2026-11-20T10:01:00Z"}}],
        ids=["an identifier", "when"],
    )
    def test_an_exit_rule_on_them_ends_with_the_event_that_makes_it_true(self, condition: Any) -> None:
        """Semantics 4.5: also with an event that no flow looks at."""
        flow = written(WAIT, say("remind"), exits=[{"when": {"person": {"fact": condition}}, "reason": "known"}])
        stage = Stage(flow).event(checkout("10:00")).event(event("site_active", "10:05", identity=PERSON))
        assert stage.story[-1] == "10:05 ended known"


class TestAnotherVersion:
    def test_what_the_rules_of_the_old_one_have_seen_says_nothing_about_those_of_the_new_one(self) -> None:
        """Semantics 12.5: exit rules of the new version are judged on stored history."""
        bought = {"when": {"event": "order_placed"}, "reason": "bought"}
        active = {"when": {"event": "site_active"}, "reason": "active"}
        old = version(written(WAIT, say("remind"), exits=[bought], exit_check="at_send"), 1)
        new = version(written(WAIT, say("remind"), exits=[active]), 2)
        stage = Stage(old, clock="live").activate("09:00", 1, old).event(checkout("10:00")).event(order("10:05"))
        stage.activate("10:10", 2, new, old).move("10:11", new).tick("10:15")
        assert stage.sent == ["10:15 remind"]

    @pytest.mark.parametrize(
        ("rules", "ended"),
        [
            (["order_placed"], "order_placed"),
            (["site_active", "order_placed"], "order_placed"),
            (["site_active"], None),
        ],
    )
    def test_who_goes_on_in_the_newest_is_judged_by_its_rules(self, rules: list[str], ended: str | None) -> None:
        """Semantics 12.2, 12.3 and 4.2: a rule that has been made true is remembered, and not only its number."""
        before = [{"when": {"event": one}} for one in ("cart_updated", "order_placed")]
        after = [{"when": {"event": one}} for one in rules]
        old = version(written(WAIT, say("remind"), exits=before, exit_check="at_send"), 1)
        new = version(written(WAIT, say("remind"), exits=after, exit_check="at_send"), 2)
        stage = Stage(old, clock="live").activate("09:00", 1, old).event(checkout("10:00")).event(order("10:05"))
        stage.activate("10:10", 2, new).tick("10:15")
        assert stage.sent == ([] if ended else ["10:15 remind"])
        assert stage.story[-1] == f"10:15 ended {ended or 'done'}"

    def test_what_was_seen_while_a_version_was_away_is_known_when_it_is_back(self) -> None:
        """Semantics 12.2 and 4.2: another version has other numbers for its rules."""
        before = [{"when": {"event": one}} for one in ("cart_updated", "order_placed")]
        after = [{"when": {"event": one}} for one in ("cart_updated", "site_active", "order_placed")]
        old = version(written(WAIT, say("remind"), exits=before, exit_check="at_send"), 1)
        new = version(written(WAIT, say("remind"), exits=after, exit_check="at_send"), 2)
        stage = Stage(old, clock="live").activate("09:00", 1, old).event(checkout("10:00"))
        stage.activate("10:01", 2, new).event(order("10:02")).activate("10:03", 3, old).tick("10:15")
        assert stage.story[-1] == "10:15 ended order_placed"

    def test_a_message_that_has_a_gate_now_is_reached_at_its_gate(self) -> None:
        """Semantics 12.5 and 6.2: nobody is reminded whose order the shop already had."""
        old = version(written(WAIT, mail(cap=DEFER)), 1)
        new = version(written(WAIT, mail(settle={"sources": ["shop.orders"]})), 2)
        other = version(written(mail(cap=ONE), name="g", trigger="site_active"), 1)
        stage = Stage(old, other, clock="live").activate("09:00", 1, old, other)
        stage.event(event("site_active", "10:00", identity=PERSON)).tick("10:00:30")
        stage.event(checkout("10:01", identity=PERSON)).tick("10:16")
        stage.activate("10:20", 2, new, old, other).move("10:21", new).tick("10:22")
        assert stage.story[-1] == "10:22 held settle"
        assert stage.tick("10:23", marks=[mark("10:23")]).sent[1:] == ["10:23 remind"]


def test_two_shops_may_each_have_an_order_of_one_id() -> None:
    """Semantics 1.4: an id is one of its source; what they share is a dedupe key."""
    bought = {"when": {"event": "order_placed"}, "reason": "bought"}
    for key, sent in ((None, []), ("order:7", ["10:15 remind"])):
        stage = Stage(written(WAIT, say("remind"), exits=[bought]))
        stage.event(order("09:00", id="7", source="shop/a", dedupe_key=key)).event(checkout("10:00"))
        stage.event(order("10:05", id="7", source="shop/b", dedupe_key=key)).finish()
        assert stage.sent == sent


def test_messages_for_the_checkouts_of_two_shops_have_ids_of_their_own_though_the_checkouts_have_one() -> None:
    """Semantics 1.4: what the ledger takes for one message must be one."""
    stage = Stage(written(WAIT, say("remind")))
    stage.event(checkout("10:00", id="7", source="shop/a")).event(checkout("11:00", id="7", source="shop/b")).finish()
    assert stage.sent == ["10:15 remind", "11:15 remind"]
    assert len({one.command_id for one in stage.commands}) == 2


class TestTheRecordBefore:
    """Semantics 3.4: a trigger that no record brings stands between two records, and is neither of them."""

    def test_an_order_right_before_the_tick_ends_who_is_handed_on_by_it(self) -> None:
        bought = {
            "when": {"event": "order_placed", "match": {"checkout_id": "trigger.checkout_id"}},
            "reason": "bought",
        }
        first = written(WAIT, {"enter_flow": {"flow": "b"}}, name="a")
        second = written(WAIT, say("remind"), name="b", trigger="cart_updated", exits=[bought])
        stage = Stage(first, second, clock="live").tick("09:00").event(checkout("10:00", checkout_id="C"))
        stage.event(order("10:14", checkout_id="C")).tick("10:15").tick("10:31")
        assert stage.story[-1] == "10:15 ended bought"
        assert stage.sent == []

    def test_an_order_right_before_the_tick_counts_for_who_begins_by_the_clock(self) -> None:
        none = {"event_count": {"event": "order_placed", "since": "start", "eq": 0}}
        flow = written(say("remind"), trigger={"schedule": {"at": "10:15"}}, entry={"filter": none})
        stage = Stage(flow, clock="live").tick("09:00").event(checkout("10:00"))
        assert stage.event(order("10:15:00.500")).tick("10:15:01").story == ["10:15:01 refused filter_false"]


@pytest.mark.parametrize("word", ["withdrawn", "suppressed"])
def test_a_no_after_a_message_does_not_hide_that_it_should_never_have_gone(word: str) -> None:
    """Semantics 7.4."""
    flow = written(WAIT, mail(), exits=[{"when": {"event": "order_placed"}, "reason": "bought"}])
    stage = Stage(flow).event(checkout("10:00", identity=PERSON)).pass_time("10:16")
    stage.event(receipt("10:17", stage.commands[0], "accepted", identity=PERSON))
    stage.event(consent("11:00", "email", word, identity=PERSON)).event(event("site_active", "10:01"), "11:01")
    assert stage.story[-1] == "10:15 ended done"
    assert stage.event(order("10:14", identity=PERSON), "12:00").story[-1] == "12:00 regretted bought"


def test_who_is_in_a_draining_flow_does_not_enter_it_anew() -> None:
    """Semantics 12.4: nobody new is admitted, who is in it goes on."""
    live = written(WAIT, say("remind"), entry={"retrigger": "end_and_restart"})
    stage = Stage(live, clock="live").activate("09:00", 1, live).event(checkout("10:00"))
    stage.activate("10:05", 2, replace(live, status="draining")).event(checkout("10:10")).tick("10:15")
    assert stage.story == ["10:00 entered triggered", "10:10 refused draining", "10:15 sent due", "10:15 ended done"]


EVENINGS = written(  # in Tokyo 11:00 UTC
    mail(window={"local": "20:00-21:00"}), timezone={"from": ["profile", "phone"], "default": "UTC"}
)


class TestWindow:
    """Semantics 8.7: if the zone changes meanwhile, the message is judged again at once."""

    def test_by_a_number_that_an_event_tells_at_which_no_flow_looks(self) -> None:
        tokyo = Identity(external_id="ann", phone="+819012345678")
        stage = Stage(EVENINGS).event(checkout("10:00", identity=PERSON))
        stage.pass_time("10:30").event(event("site_active", "10:40", identity=tokyo)).finish()
        assert stage.sent == ["11:00 remind"]

    def test_by_a_fact_that_another_flow_sets(self) -> None:
        stage = Stage(EVENINGS, states("timezone"))
        stage.event(checkout("10:00", identity=PERSON)).pass_time("10:30").event(said("Asia/Tokyo", "10:40")).finish()
        assert stage.sent == ["11:00 remind"]


def test_who_begins_anew_waits_for_room_anew() -> None:
    """Semantics 8.11: at most for `expires` from when this message first found none; 3.5: `restart`, first step."""
    flow = written(WAIT, mail(cap=DEFER), entry={"retrigger": "restart"})
    other = written(mail("first", cap=ONE), name="g", trigger="site_active")
    stage = Stage(flow, other).event(event("site_active", "10:25", identity=PERSON))
    stage.event(checkout("10:20", identity=PERSON), "10:26").event(checkout("10:50", identity=PERSON)).finish()
    assert "10:35 held cap" in stage.story
    assert stage.sent == ["10:25 first", "11:25 remind"]


@pytest.mark.parametrize("rest", [{"wait": {"for": "1s"}}, {"wait_event": {"event": "order_placed", "timeout": "2d"}}])
def test_a_wait_that_is_over_at_once_does_not_begin_the_chain_of_flows_anew(rest: Any) -> None:
    """Semantics 14.4."""
    awaited = {"match": {"checkout_id": "trigger.checkout_id"}}
    rest = {"wait_event": rest["wait_event"] | awaited} if "wait_event" in rest else rest
    flow = written(say("again"), rest, {"enter_flow": {"flow": "f"}})
    stage = Stage(flow).event(checkout("10:00", checkout_id="C"))
    for second in range(1, 30):
        stage.event(order(f"10:00:{second:02}", checkout_id="C"))
    assert len(stage.sent) == ENTERED_ON_MAX + 1
    assert [one.reason for one in stage.decisions if one.outcome == "refused"] == ["enter_flow_depth"]
