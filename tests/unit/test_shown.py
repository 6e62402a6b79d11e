"""What a flow in shadow has set, and who is in it: seen by flows in shadow only (semantics 10.5, 12.4)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.dossier import Stated
from schemas.flow import Flow
from schemas.limits import FACT_BYTES_MAX, FACTS_MAX, PROFILE_BYTES_MAX
from schemas.profile import Profile
from streams import shown, weight
from streams.recorder import Recorder
from tests.unit.stage import Stage, at, checkout, event, order
from tests.unit.written import REMIND, say, written

SET: dict[str, Any] = {"set": {"first_name": "Nudged"}}
NUDGED: dict[str, Any] = {"fact": {"first_name": {"eq": "Nudged"}}}
FRESH: dict[str, Any] = {"fact": {"first_name": {"is_not_set": True}}}
WAIT = {"wait": {"for": "15m"}}


def shadow(*steps: Any, name: str = "f", **more: Any) -> Flow:
    return written(*steps, name=name, status="shadow", **more)


def asking(condition: dict[str, Any], *, name: str = "asking", trigger: str = "product_viewed", **more: Any) -> Flow:
    """Sends if so."""
    steps = {"if": {"condition": condition, "then": "remind", "otherwise": {"stop": "no"}}}, REMIND
    return written(*steps, name=name, trigger=trigger, **more)


def view(time: str) -> Any:
    return event("product_viewed", time)


def reasons(stage: Stage, flow: str) -> list[str]:
    return [one.reason for one in stage.decisions if one.flow == flow and one.outcome != "entered"]


class TestWhatItHasSet:
    """Semantics 12.4."""

    FLOW = shadow(SET, WAIT, {"if": {"condition": NUDGED, "then": "remind", "otherwise": {"stop": "no"}}}, REMIND)

    def test_it_sees_behind_a_wait_and_over_a_restart_and_nobody_else_does(self) -> None:
        stage = Stage(self.FLOW, asking(NUDGED), asking(NUDGED, name="shown", status="shadow"), clock="live")
        stage.event(checkout("10:00")).tick("10:01").event(view("10:02")).tick("10:03").restart().tick("10:16")
        assert reasons(stage, "f") == ["set", "due", "done"]
        assert reasons(stage, "asking") == reasons(stage, "shown") == ["no"]
        assert stage.sent == []
        assert stage.profile().known().facts == {}

    def test_a_later_run_of_it_sees_it_too(self) -> None:
        flow = shadow(SET, entry={"filter": FRESH})
        stage = Stage(flow, clock="live").event(checkout("10:00")).tick("10:01").event(checkout("11:00"))
        assert reasons(stage, "f") == ["set", "done", "filter_false"]

    def test_when_it_goes_live_it_was_never_set_and_in_shadow_again_it_was(self) -> None:
        live = replace(self.FLOW, status="live")
        stage = Stage(self.FLOW, clock="live").event(checkout("10:00")).tick("10:01").activate("10:05", 1, live)
        assert reasons(stage.tick("10:16"), "f") == ["set", "no"]
        flow = shadow(SET, entry={"filter": FRESH})
        stage = Stage(flow, clock="live").event(checkout("10:00")).tick("10:01")
        stage.activate("10:05", 1, replace(flow, status="live")).activate("10:06", 2, flow).event(checkout("11:00"))
        assert reasons(stage, "f") == ["set", "done", "filter_false"]

    def test_what_is_stated_later_stays(self) -> None:
        stage = Stage(self.FLOW, clock="live").event(checkout("10:00")).tick("10:01")
        stage.event(event("profile_updated", "10:02", first_name="Ann")).tick("10:16")
        assert reasons(stage, "f") == ["set", "no"]

    @pytest.mark.parametrize(("name", "told"), [("a", ["set", "due", "done"]), ("z", ["set", "no"])])
    def test_of_one_instant_what_was_set_last_stays(self, name: str, told: list[str]) -> None:
        """Flows of one tick go in the order of their names."""
        other = written({"set": {"first_name": "Real"}}, name=name)
        stage = Stage(self.FLOW, other, clock="live").event(checkout("10:00")).tick("10:01").tick("10:16")
        assert reasons(stage, "f") == told
        assert stage.profile().known().facts["first_name"].value == "Real"

    def test_its_own_exits_are_judged_at_once_and_those_of_others_not(self) -> None:
        nudged = {"when": {"person": NUDGED}, "reason": "nudged"}
        flow, other = shadow(SET, WAIT, REMIND, exits=[nudged]), written(WAIT, REMIND, name="other", exits=[nudged])
        stage = Stage(flow, other, clock="live").event(checkout("10:00")).tick("10:01")
        assert (reasons(stage, "f"), reasons(stage, "other")) == (["set", "nudged"], [])

    def test_a_zone_that_it_has_set_is_the_one_it_waits_by(self) -> None:
        """Semantics 5.5: also when the person is looked at again, until it goes live."""
        flow = shadow({"set": {"timezone": "Europe/Berlin"}}, {"wait": {"until": "12:00"}}, REMIND)
        stage = Stage(flow, clock="live").event(checkout("10:00")).tick("10:01").event(order("10:02"))
        assert stage.profile().enrollments[0].due_at == at("11:00")
        stage.activate("10:05", 1, replace(flow, status="live")).event(order("10:06"))
        assert stage.profile().enrollments[0].due_at == at("12:00")

    def test_a_zone_that_another_run_of_it_has_set_moves_a_wait(self) -> None:
        sets = {"route": {"by": "trigger.checkout_id", "cases": {"C2": "sets"}, "otherwise": "noon"}}
        noon = {"label": "noon", "wait": {"until": "12:00"}}
        flow = shadow(sets, {"label": "sets", "set": {"timezone": "Europe/Berlin"}}, noon, REMIND,
                      entry={"key": "trigger.checkout_id", "retrigger": "parallel"})  # fmt: skip
        stage = Stage(flow, clock="live").event(checkout("10:00", checkout_id="C1")).tick("10:01")
        assert stage.profile().enrollments[0].due_at == at("12:00")
        stage.event(checkout("10:02", checkout_id="C2")).tick("10:03")
        assert [one.due_at for one in stage.profile().enrollments] == [at("11:00")] * 2

    def test_exits_of_a_version_that_people_are_moved_to_see_it(self) -> None:
        """Semantics 12.5."""
        flow = shadow(SET, WAIT, REMIND)
        other = shadow(SET, WAIT, REMIND, exits=[{"when": {"person": NUDGED}, "reason": "nudged"}])
        stage = Stage(flow, clock="live").event(checkout("10:00")).tick("10:01").activate("10:02", 1, other, flow)
        assert reasons(stage.move("10:03", other), "f") == ["set", "migration", "nudged"]

    def test_an_appointment_by_it_is_kept_and_not_when_it_goes_live(self) -> None:
        dated = shadow({"set": {"birthday": "2026-11-22"}}, REMIND, trigger={"date": {"fact": "birthday"}})
        stage = Stage(dated, clock="live").event(event("profile_updated", "10:00", birthday="2026-11-21"))
        stage.tick("+1 00:01")
        assert stage.profile().known().appointments["f"].at == at("+2 00:00")
        stage.activate("+1 10:00", 1, replace(dated, status="live")).tick("+2 00:01")
        assert stage.sent == []

    def test_it_decides_whose_message_is_the_more_urgent_by_it(self) -> None:
        """Semantics 8.13: which way it will go is asked of the person as it sees them."""
        first = {"label": "first", "send": {"template": "t", "channel": "log", "priority": 9}}
        way = {"if": {"condition": NUDGED, "then": "first", "otherwise": {"stop": "no"}}}
        flow = shadow(SET, WAIT, way, first, name="late")
        stage = Stage(flow, written(WAIT, say("plain"), name="early"), clock="live")
        stage.event(checkout("10:00")).tick("10:01").tick("10:30")
        assert [one.flow for one in stage.decisions if one.outcome == "sent"] == ["late", "early"]


class TestDeeds:
    """Semantics 12.4, 14."""

    @pytest.mark.parametrize("status", ["shadow", "live"])
    def test_a_refusal_of_its_own_is_told_and_nobody_is_handed_on(self, status: str) -> None:
        offers = {"enter_flow": {"flow": "nobody"}}, {"enter_flow": {"flow": "other"}}
        emits = {"emit": {"event": "custom_vip"}}
        flow, other = written(*offers, emits, status=status), written(WAIT, REMIND, name="other", trigger="site_active")
        stage = Stage(flow, other, clock="live").event(checkout("10:00")).tick("10:01")
        told = [(one.outcome, one.reason) for one in stage.decisions if one.flow == "f"][1:]
        assert sorted(told) == [("emitted", "custom_vip"), ("ended", "done"), ("refused", "no_such_flow")]
        entered = [one.flow for one in stage.decisions if one.outcome == "entered"]
        assert entered == (["f"] if status == "shadow" else ["f", "other"])
        assert len([value for one in stage.outputs for value in one.events]) == (status == "live")


class TestInFlow:
    """Semantics 10.5: to flows that are not in shadow, nobody is in a flow that is."""

    SHOWN = shadow({"wait": {"for": "2h"}}, REMIND)

    @pytest.mark.parametrize(("status", "told"), [("live", ["no"]), ("shadow", ["due", "done"])])
    def test_who_is_in_it_is_seen_in_shadow_only(self, status: str, told: list[str]) -> None:
        stage = Stage(self.SHOWN, asking({"in_flow": "f"}, status=status), clock="live")
        assert reasons(stage.event(checkout("10:00")).event(view("10:01")).tick("10:02"), "asking") == told

    def test_a_flow_in_shadow_sees_who_is_in_itself(self) -> None:
        flow = shadow(
            WAIT, {"if": {"condition": {"in_flow": "f"}, "then": "remind", "otherwise": {"stop": "no"}}}, REMIND
        )
        assert reasons(Stage(flow, clock="live").event(checkout("10:00")).tick("10:16"), "f") == ["due", "done"]

    def test_who_is_still_in_it_when_it_goes_live_is_seen_from_then_on(self) -> None:
        flows = asking({"in_flow": "f"}), replace(self.SHOWN, status="live")
        stage = Stage(self.SHOWN, flows[0], clock="live").event(checkout("10:00")).activate("10:01", 1, *flows)
        assert reasons(stage.event(view("10:02")).tick("10:03"), "asking") == ["due", "done"]

    def test_who_was_in_it_when_it_was_live_is_not_in_it_while_it_is_in_shadow_but_was_once(self) -> None:
        now, ever = asking({"in_flow": "f"}), asking({"in_flow": {"flow": "f", "ever": True}}, name="ever")
        stage = Stage(replace(self.SHOWN, status="live"), now, ever, clock="live").event(checkout("10:00"))
        stage.activate("10:01", 1, self.SHOWN, now, ever).event(view("10:02")).tick("10:03")
        assert (reasons(stage, "asking"), reasons(stage, "ever")) == (["no"], ["due", "done"])

    def test_it_ends_no_run_of_a_flow_that_is_live(self) -> None:
        leaves = {"when": {"person": {"in_flow": "f"}}, "reason": "elsewhere"}
        other = written(WAIT, REMIND, name="other", trigger="product_viewed", exits=[leaves])
        stage = Stage(self.SHOWN, other, clock="live").event(view("10:00")).event(checkout("10:01")).tick("10:20")
        assert stage.sent == ["10:20 remind"]


class TestBounds:
    """Semantics 7.6, 8.3: as many as facts, and forgotten before anything that is real."""

    FLOW = TestWhatItHasSet.FLOW

    def made(self, count: int, *, value: str = "x") -> tuple[Profile, Recorder]:
        profile = Profile(tenant="acme", profile_id="ann")
        out = Recorder(topic="log", partition=0, clock="live", version="1")
        for number in range(count):
            shown.take(self.FLOW, profile, {f"fact_{number}": Stated(value, number)}, out)
        return profile, out

    def test_of_more_than_facts_the_one_set_longest_ago_is_forgotten(self) -> None:
        profile, out = self.made(FACTS_MAX + 3)
        names = profile.known().shown
        assert (len(names), min(one.occurred_at for one in names.values())) == (FACTS_MAX, 3)
        assert out.tallies["evicted", "facts"] == 3

    def test_a_value_that_is_too_long_is_not_taken(self) -> None:
        profile, out = self.made(1, value="x" * FACT_BYTES_MAX)
        assert (profile.known().shown, out.tallies["evicted", "fact_too_long"]) == ({}, 1)

    def test_it_makes_room_before_a_real_event_is_forgotten(self) -> None:
        profile, out = self.made(100, value="x" * 1_000)
        assert profile.known().shown
        profile.known().facts = {f"real_{number}": Stated("x" * 1_000, 1) for number in range(55)}
        weight.add(profile, PROFILE_BYTES_MAX, out)
        assert len(profile.known().shown) < 10
        assert {key for key in out.tallies if key[0] == "evicted"} == {("evicted", "facts")}
