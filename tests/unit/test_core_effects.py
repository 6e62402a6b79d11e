"""`set`, `emit`, `enter_flow` and `route` by a fact: what a flow does beside messages (semantics 14.1 to 14.4)."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from schemas import codec
from schemas.event import Event
from schemas.identity import Identity
from schemas.instants import from_wire
from streams.decide import decide
from streams.rehearsal import Rehearsal
from streams.verdict import Wakeup
from streams.watermarks import Gates, Watermarks
from tests.unit.stage import Stage, at, checkout, event, mark, order
from tests.unit.written import BOUGHT, REMIND, said, say, states, written

VIP = {
    "emit": {"event": "custom_vip", "properties": {"cart": "trigger.checkout_id", "level": 2, "code": "trigger.coupon"}}
}


class TestSet:
    """Facts of the person."""

    FLOW = written({"wait": {"for": "1h"}}, {"set": {"cart": "trigger.checkout_id", "nudged": True, "was": "fact.cart",
                                                     "code": "trigger.coupon"}})  # fmt: skip

    def test_words_literals_and_other_facts_and_what_is_missing_is_left_out(self) -> None:
        stage = Stage(self.FLOW).event(checkout("10:00", checkout_id="C1")).finish()
        stage.event(checkout("12:00", checkout_id="C2")).finish()
        dossier = stage.profile().dossier
        assert dossier is not None
        assert {name: (fact.value, fact.occurred_at) for name, fact in dossier.facts.items()} == {
            "cart": ("C2", at("13:00")), "nudged": (True, at("13:00")), "was": ("C1", at("13:00")),
        }  # fmt: skip
        decision = next(one for one in stage.decisions if one.outcome == "stated")
        assert decision.values == {"cart": "C1", "nudged": True}

    def test_a_step_behind_it_sees_it_already(self) -> None:
        flow = written({"set": {"level": "gold"}}, {"route": {"by": "fact.level", "cases": {"gold": "remind"},
                       "otherwise": {"stop": "unknown"}}}, REMIND)  # fmt: skip
        assert Stage(flow).event(checkout("10:00")).finish().sent == ["10:00 remind"]

    @pytest.mark.parametrize("late", [False, True])
    def test_of_one_instant_the_last_that_is_set_stays_and_gives_way_to_what_an_event_says(self, late: bool) -> None:
        """Semantics 7.6, whichever comes first."""
        sets = [written({"set": {"level": name}}, name=name) for name in ("a", "b", "c")]
        stage = Stage(*sets).event(checkout("10:00"))
        tells = event("profile_updated", "10:00", id="0", level="told")
        if late:
            stage.pass_time("10:01")
            assert stage.profile().known().facts["level"].value == "c"
        assert (
            stage.event(tells, "10:01" if late else "10:00").finish().profile().known().facts["level"].value == "told"
        )

    def test_deciding_changes_nothing_by_itself(self) -> None:
        """A verdict is a plan: who carries it out changes the profile."""
        stage = Stage(self.FLOW).event(checkout("10:00", checkout_id="C1"))
        profile = stage.profile()
        gates = Gates(Watermarks(), "acme")
        verdict = decide(
            flow=self.FLOW, enrollment=profile.enrollments[0], profile=profile, happening=Wakeup(gates), now=at("11:00")
        )
        assert verdict.effects is not None
        assert set(verdict.effects.facts) == {"cart", "nudged"}
        assert profile.dossier is None

    def test_a_replay_states_the_same(self) -> None:
        stages = [Stage(self.FLOW).event(checkout("10:00", checkout_id="C1")).finish() for _ in range(2)]
        assert stages[0].store == stages[1].store


@pytest.mark.parametrize(
    ("level", "story"), [("gold", "10:00 sent due"), ("iron", "10:00 ended unknown"), (None, "10:00 ended unknown")]
)
def test_a_route_by_a_fact(level: str | None, story: str) -> None:
    flow = written(
        {"route": {"by": "fact.level", "cases": {"gold": "remind"}, "otherwise": {"stop": "unknown"}}}, REMIND
    )
    stage = Stage(flow, states("level"))
    if level:
        stage.event(said(level, "09:00"))
    assert story in stage.event(checkout("10:00")).finish().story


class TestEmit:
    """An event of one's own, for intake."""

    def test_it_is_reported_like_a_connector_would_under_an_id_of_its_own(self) -> None:
        stage = Stage(written({"wait": {"for": "1h"}}, VIP)).event(checkout("10:00", checkout_id="C1")).finish()
        ((key, value),) = [one for unit in stage.outputs for one in unit.events]
        event = codec.decode(value, Event)
        assert key == stage.log[0].key
        assert (event.type, event.source, event.tenant) == ("custom.vip", "cartwheel/f/1", "acme")
        assert event.id == event.dedupe_key
        assert event.identity.external_id == "ann"
        assert codec.parse(bytes(event.properties)) == {"cart": "C1", "level": 2}
        assert event.time.isoformat() == "2026-11-20T11:00:00+00:00"
        (decision,) = (one for one in stage.decisions if one.outcome == "emitted")
        assert decision.values["event_id"] == event.id

    def test_it_says_no_address_anew(self) -> None:
        """Semantics 7.1: the number of 10:30 that comes late is newer than that of 10:00, also after a report at 11."""
        rehearsal = Rehearsal([written({"wait": {"for": "1h"}}, VIP)])
        old, new = (Identity(external_id="ann", phone=f"+120255501{number}") for number in ("00", "01"))
        rehearsal.event(checkout("10:00", identity=old), at=at("10:00"))
        rehearsal.event(order("10:30", identity=new), at=at("12:00"))
        [profile] = rehearsal.profiles()
        assert profile.identifiers["phone"].value == new.phone
        assert len(rehearsal.events) == 1

    def test_a_rehearsal_meets_no_appointment_beyond_its_end_though_flows_report_events(self) -> None:
        """Semantics 3.8."""
        daily = written(REMIND, name="daily", trigger={"schedule": {"at": "09:00"}})
        rehearsal = Rehearsal([written({"wait": {"for": "48h"}}, VIP), daily])
        rehearsal.event(checkout("10:00"), at=at("10:00"))
        rehearsal.advance(at("+1 10:00"))
        rehearsal.finish()
        entered = [(one.flow, one.decided_at) for one in rehearsal.decisions if one.outcome == "entered"]
        assert [flow for flow, _ in entered] == ["f", "daily"]
        assert [from_wire(one.decided_at) for one in rehearsal.decisions if one.outcome == "emitted"] == [
            at("+2 10:00")
        ]

    def test_two_people_at_one_moment_have_an_event_each(self) -> None:
        stage = Stage(written(VIP)).event(checkout("10:00")).event(checkout("10:00", who="bob")).finish()
        events = [codec.decode(value, Event) for unit in stage.outputs for _, value in unit.events]
        assert len({one.id for one in events}) == 2

    def test_a_replay_makes_the_same_bytes_and_another_visit_another_event(self) -> None:
        def run() -> list[bytes]:
            again = {"if": {"condition": {"trigger.coupon": {"is_not_set": True}}, "then": "round"}}
            stage = Stage(written({"label": "round", "wait": {"for": "1h"}}, VIP, again, exits=[BOUGHT]))
            stage.event(checkout("10:00")).event(order("12:30"))
            return [value for unit in stage.outputs for _, value in unit.events]

        first, second = run(), run()
        assert first == second
        assert len(set(first)) == 2

    def test_in_a_rehearsal_it_comes_back_a_millisecond_later(self) -> None:
        flows = [
            written({"wait": {"for": "1h"}}, VIP, name="giver"),
            written({"wait": {"for": "10m"}}, REMIND, name="taker", trigger="custom_vip"),
        ]
        rehearsal = Rehearsal(flows)
        rehearsal.event(checkout("10:00"), at=at("10:00"))
        rehearsal.event(checkout("14:00", who="bob"), at=at("14:00"))
        rehearsal.finish()
        assert [from_wire(one.decided_at) for one in rehearsal.commands] == [at("11:10"), at("15:10")]
        assert len(rehearsal.events) == 2

    def test_also_if_it_is_reported_behind_a_gate(self) -> None:
        gate = {"settle": {"sources": ["shop.orders"], "max_hold": "2h", "on_timeout": "skip"}}
        rehearsal = Rehearsal([
            written(gate, VIP, name="giver"), written(REMIND, name="taker", trigger="custom_vip")
        ])  # fmt: skip
        rehearsal.event(checkout("10:00"), at=at("10:00"))
        rehearsal.watermark(mark("10:00"), at=at("10:10"))
        rehearsal.advance(at("14:00"))
        assert [from_wire(one.decided_at) - at("10:10") for one in rehearsal.commands] == [1]

    def test_an_event_that_ends_a_flow_ends_it_before_its_message(self) -> None:
        """What is reported at eleven is known at half past, also at the end of the log."""
        ends = [{"when": {"event": "custom_vip"}, "reason": "vip"}]
        flows = [
            written({"wait": {"for": "1h"}}, VIP, name="giver"),
            written({"wait": {"for": "90m"}}, REMIND, name="reminder", exits=ends),
        ]
        rehearsal = Rehearsal(flows)
        rehearsal.event(checkout("10:00"), at=at("10:00"))
        rehearsal.finish()
        assert rehearsal.commands == []

    def test_flows_that_set_each_other_going_stop_after_five(self) -> None:
        """Semantics 14.4."""
        rehearsal = Rehearsal([written({"emit": {"event": "custom_ping"}}, name="ping", trigger="custom_ping")])
        start = checkout("10:00")
        rehearsal.event(replace(start, type="custom.ping"), at=at("10:00"))
        rehearsal.finish()
        assert len(rehearsal.events) == 5
        assert [one.reason for one in rehearsal.decisions if one.outcome == "refused"] == ["enter_flow_depth"]


DEEDS = {
    "set": {"set": {"level": "gold"}},
    "emit": VIP,
    "enter_flow": {"enter_flow": {"flow": "nurture"}},
}


@pytest.mark.parametrize("deed", DEEDS)
class TestStillAPoint:
    """Before it does anything a flow asks again whom it is for, and what has ended it (semantics 4.2, 4.4, 4.5)."""

    NURTURE = written(say("nurture"), name="nurture", trigger="site_active")
    NOT_BOUGHT: ClassVar = {"event_count": {"event": "order_placed", "since": "start", "eq": 0}}

    def done(self, stage: Stage) -> list[str]:
        stage.event(checkout("10:00")).event(order("10:30", order_id="O1")).finish()
        done = ("stated", "emitted", "entered", "skipped", "ended")
        return [f"{one.flow} {one.outcome} {one.reason}" for one in stage.decisions if one.outcome in done][1:]

    def test_a_filter_that_has_turned_false_leaves_it_out_and_the_flow_goes_on(self, deed: str) -> None:
        flow = written({"wait": {"for": "1h"}}, DEEDS[deed], entry={"filter": self.NOT_BOUGHT})
        stage = Stage(flow, self.NURTURE)
        assert self.done(stage) == ["f skipped filter_false", "f ended done"]
        skipped = next(one for one in stage.decisions if one.outcome == "skipped")
        assert (skipped.step, skipped.values["event_count order_placed"]) == (f"{deed}_1", 1)

    def test_under_at_send_a_rule_ends_it_there(self, deed: str) -> None:
        flow = written({"wait": {"for": "1h"}}, DEEDS[deed], exits=[BOUGHT], exit_check="at_send")
        assert self.done(Stage(flow, self.NURTURE)) == ["f ended bought"]

    def test_so_does_a_rule_on_the_person_that_time_has_made_true(self, deed: str) -> None:
        quiet = {"event_count": {"event": "checkout_started", "in_last": "30m", "eq": 0}}
        flow = written({"wait": {"for": "1h"}}, DEEDS[deed], exits=[{"when": {"person": quiet}, "reason": "quiet"}])
        assert self.done(Stage(flow, self.NURTURE)) == ["f ended quiet"]

    def test_else_it_is_done(self, deed: str) -> None:
        flow = written({"wait": {"for": "15m"}}, DEEDS[deed], entry={"filter": self.NOT_BOUGHT}, exits=[BOUGHT])
        assert "f ended done" in self.done(stage := Stage(flow, self.NURTURE))
        assert not [one for one in stage.decisions if one.outcome == "skipped"]


def enter(flow: str) -> dict[str, Any]:
    return {"enter_flow": {"flow": flow}}


class TestEnterFlow:
    """The person is offered to another flow, whose own rules judge."""

    def test_the_words_go_along_and_the_moment_of_the_step_is_the_anchor(self) -> None:
        stage = Stage(
            written({"wait": {"for": "1h"}}, enter("second"), name="first"),
            written(
                {"wait": {"for": "30m"}},
                REMIND,
                name="second",
                trigger="custom_never",
                entry={"key": "trigger.subject"},
            ),
        )
        stage.event(replace(checkout("10:00"), subject="S")).finish()
        assert stage.sent == ["11:30 remind"]
        assert stage.commands[0].variables["trigger"] == {"subject": "S"}
        assert stage.profile().past["second"].started_at == at("11:00")

    def test_nothing_is_sent_on_the_tick_that_enters(self) -> None:
        stage = Stage(
            written({"wait": {"for": "1h"}}, enter("second"), name="first"),
            written(REMIND, name="second", trigger="custom_never"), clock="live",
        )  # fmt: skip
        stage.event(checkout("10:00")).tick("11:05", through="11:00")
        assert stage.sent == []
        assert stage.tick("11:06").sent == ["11:06 remind"]

    @pytest.mark.parametrize(("status", "reason"), [("draft", "no_such_flow"), ("live", "where_false")])
    def test_what_cannot_be_entered_is_refused_with_a_reason_and_the_flow_goes_on(
        self, status: str, reason: str
    ) -> None:
        never = {"where": {"subject": {"eq": "other"}}}
        stage = Stage(
            written(enter("second"), REMIND, name="first"),
            written(say("x"), name="second", trigger="custom_never", status=status, entry=never),
        )
        stage.event(checkout("10:00")).finish()
        assert stage.sent == ["10:00 remind"]
        (refused,) = (one for one in stage.decisions if one.outcome == "refused")
        assert (refused.reason, refused.flow, refused.values) == (reason, "first", {"flow": "second"})

    def test_its_reentry_policy_is_asked(self) -> None:
        stage = Stage(
            written(enter("second"), name="first"),
            written(say("x"), name="second", trigger="custom_never", entry={"reentry": "never"}),
        )
        stage.event(checkout("10:00")).event(checkout("11:00")).finish()
        assert len(stage.sent) == 1
        assert stage.tallies["decision", "second", "refused", "reentry_never"] == 1

    def test_after_an_outage_the_age_of_the_step_decides(self) -> None:
        """Semantics 3.1 (e): the moment of the step is when it was to be entered."""
        stage = Stage(
            written({"wait": {"for": "1h"}}, enter("second"), name="first"),
            written(say("x"), name="second", trigger="custom_never"), clock="live",
        )  # fmt: skip
        stage.event(checkout("10:00")).tick("+2 12:00").tick("+2 12:01")
        assert [one.reason for one in stage.decisions if one.outcome == "refused"] == ["trigger_too_old"]

    def test_a_chain_without_waits_ends_after_five(self) -> None:
        """Semantics 14.4."""
        stage = Stage(
            written(enter("b"), name="a"), written(enter("a"), name="b", trigger="custom_never"),
        )  # fmt: skip
        stage.event(checkout("10:00")).finish()
        assert [one.flow for one in stage.decisions if one.outcome == "entered"] == ["a", "b", "a", "b", "a", "b"]
        assert [one.reason for one in stage.decisions if one.outcome == "refused"] == ["enter_flow_depth"]

    def test_who_enters_the_same_flow_again_and_again_by_restart_stops_after_five(self) -> None:
        """Semantics 14.4."""
        stage = Stage(written(enter("f"), {"wait": {"for": "1h"}}, REMIND, entry={"retrigger": "restart"}))
        stage.event(checkout("10:00")).finish()
        assert [one.outcome for one in stage.decisions].count("restarted") == 5
        assert stage.sent == ["11:00 remind"]

    @pytest.mark.parametrize(("retrigger", "visit"), [("extend", 1), ("replace_context", 2), ("restart", 2)])
    def test_who_is_due_at_the_same_moment_and_is_made_to_wait_anew_waits(self, retrigger: str, visit: int) -> None:
        """Semantics 3.5: what the one does that goes on first may have the other count from now."""
        hour = {"wait": {"for": "1h"}}
        urgent = {"label": "urgent", "send": {"template": "t", "channel": "log", "priority": 8}}
        stage = Stage(
            written(hour, REMIND, name="a", entry={"retrigger": retrigger}),
            written(hour, urgent, enter("a"), name="b"),
        )
        assert stage.event(checkout("10:00")).finish().sent == ["11:00 urgent", "12:00 remind"]
        assert stage.commands[-1].visit == visit

    def test_a_wait_begins_the_chain_anew(self) -> None:
        month = {"wait": {"for": "1mo"}}
        stage = Stage(
            written(month, enter("b"), name="a", exits=[BOUGHT]),
            written(month, say("x"), enter("a"), name="b", trigger="custom_never", exits=[BOUGHT]),
        )
        stage.event(checkout("10:00")).event(order("+700 09:00")).finish()
        assert len(stage.sent) == 11
