"""Triggers while somebody is in a flow, and after: all policies (semantics 3.5 and 3.6)."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.limits import REENTRY_COUNT_MAX
from tests.unit.stage import Stage, checkout, order
from tests.unit.written import BOUGHT, REMIND, say, written


def stage(retrigger: str, *steps: Any, **more: Any) -> Stage:
    flow = written(*(steps or ({"wait": {"for": "1h"}}, REMIND)), entry={"retrigger": retrigger} | more, exits=[BOUGHT])
    return Stage(flow)


class TestExtend:
    """The current wait restarts, the words stay."""

    def test_it_counts_from_the_new_trigger_with_the_old_words(self) -> None:
        played = stage("extend").event(checkout("10:00", total="1")).event(checkout("10:40", total="2")).finish()
        assert played.sent == ["11:40 remind"]
        assert played.commands[0].variables["trigger"]["total"]["amount"] == "1"
        assert (played.commands[0].visit, played.story[1]) == (1, "10:40 restarted extend")

    def test_a_time_of_the_day_is_looked_for_anew(self) -> None:
        played = stage("extend", {"wait": {"until": "09:00"}}, REMIND)
        assert played.event(checkout("08:00")).event(checkout("+0 08:59")).finish().sent == ["09:00 remind"]
        assert stage("extend", {"wait": {"until": "09:00"}}, REMIND).event(checkout("08:00")).event(
            checkout("09:00:00.001"), "09:00"
        ).finish().sent == ["+1 09:00 remind"]

    def test_who_does_not_wait_ignores_it(self) -> None:
        held = ({"settle": {"sources": ["shop.orders"], "max_hold": "2h", "on_timeout": "send"}}, REMIND)
        played = stage("extend", *held).event(checkout("10:00")).event(checkout("10:40")).finish()
        assert played.sent == ["12:00 remind"]
        assert played.tallies["ignored", "f"] == 1


class TestParallel:
    """One beside the other, by key."""

    def test_another_key_enters_and_the_same_one_is_ignored(self) -> None:
        played = stage("parallel", key="trigger.checkout_id").event(checkout("10:00", checkout_id="A"))
        played.event(checkout("10:10", checkout_id="B")).event(checkout("10:20", checkout_id="A")).finish()
        assert played.sent == ["11:00 remind", "11:10 remind"]
        assert played.tallies["ignored", "f"] == 1


class TestEndAndRestart:
    """The old one ends, a new one begins."""

    def test_it_is_another_enrollment(self) -> None:
        played = stage("end_and_restart").event(checkout("10:00")).event(checkout("10:40")).finish()
        assert played.story == [
            "10:00 entered triggered", "10:40 ended superseded", "10:40 entered triggered", "11:40 sent due",
            "11:40 ended done",
        ]  # fmt: skip
        assert len({one.enrollment_id for one in played.decisions}) == 2
        assert played.profile().enrollments == []

    def test_too_old_a_trigger_changes_nothing(self) -> None:
        played = stage("end_and_restart", {"wait": {"for": "3d"}}, REMIND, max_trigger_age="1h")
        played.event(checkout("10:00")).event(checkout("10:40"), "12:00").finish()
        assert played.story[1] == "12:00 refused trigger_too_old"
        assert played.sent == ["+3 10:00 remind"]

    def test_an_order_that_is_known_ends_the_new_one_where_it_begins(self) -> None:
        played = stage("end_and_restart").event(checkout("10:00")).event(order("10:00"), "09:59")
        played = stage("end_and_restart")
        played.event(order("10:50"), "10:46").event(checkout("10:00"), "10:46").event(checkout("10:45"), "10:47")
        assert played.story[-1].endswith("ended bought")

    def test_re_entry_is_not_asked_because_nobody_has_left(self) -> None:
        played = stage("end_and_restart", reentry="never").event(checkout("10:00")).event(checkout("10:40")).finish()
        assert played.sent == ["11:40 remind"]


class TestMaxPerPeriod:
    """`reentry: { max: 2, per: 7d }`."""

    def play(self, *times: str, rule: dict[str, Any] | None = None) -> Stage:
        played = stage("ignore", reentry=rule or {"max": 2, "per": "7d"})
        for time in times:
            played.event(checkout(time))
        return played.finish()

    @pytest.mark.parametrize(
        ("times", "sent"),
        [
            (("10:00", "+1 10:00", "+2 10:00"), 2),
            (("10:00", "+1 10:00", "+7 09:59:59.999"), 2),
            (("10:00", "+1 10:00", "+7 10:00"), 3),  # the first is a week ago to the millisecond: it does not count
            (("10:00", "+1 10:00", "+7 10:00", "+7 12:00"), 3),
        ],
    )
    def test_entries_are_counted_in_a_rolling_period(self, times: tuple[str, ...], sent: int) -> None:
        assert len(self.play(*times).sent) == sent

    def test_a_refusal_says_how_many_there_were(self) -> None:
        refused = self.play("10:00", "+1 10:00", "+2 10:00").decisions[-1]
        assert (refused.reason, refused.values["entered"], refused.values["max"]) == ("reentry_max", 2, 2)

    def test_what_is_remembered_is_bounded(self) -> None:
        played = self.play(*(f"+{day} 10:00" for day in range(30)), rule={"max": 3, "per": "1d"})
        assert len(played.profile().past["f"].starts) == 3
        assert REENTRY_COUNT_MAX * 9 < 1_000, "nine bytes an instant: a person stays small"

    def test_per_key(self) -> None:
        played = stage("ignore", key="trigger.checkout_id", reentry={"max": 1, "per": "7d", "scope": "key"})
        for time, cart in (("10:00", "A"), ("12:00", "A"), ("14:00", "B")):
            played.event(checkout(time, checkout_id=cart))
        assert played.finish().sent == ["11:00 remind", "15:00 remind"]


class TestCountOnlyIfSent:
    """A run that sent nothing does not count, if the flow says so."""

    @pytest.mark.parametrize(
        "rule",
        [
            {"never": True},
            {"min_gap": "7d", "from": "start"},
            {"min_gap": "7d", "from": "end"},
            {"max": 1, "per": "7d"},
        ],
    )
    @pytest.mark.parametrize("only", [True, False])
    def test_who_bought_before_the_message_may_enter_again(self, rule: dict[str, Any], only: bool) -> None:
        played = stage("ignore", reentry=rule | {"count_only_if_sent": only})
        played.event(checkout("10:00")).event(order("10:30")).event(checkout("12:00")).finish()
        assert played.sent == (["13:00 remind"] if only else [])
        played.event(checkout("+1 10:00")).finish()
        assert len(played.sent) == only, "the second one was sent, and counts"

    def test_one_message_of_two_is_enough(self) -> None:
        flow = ({"wait": {"for": "1h"}}, REMIND, {"wait": {"for": "1h"}}, say("last"))
        played = stage("ignore", *flow, reentry={"never": True, "count_only_if_sent": True})
        played.event(checkout("10:00")).event(order("11:30")).event(checkout("12:00")).finish()
        assert played.sent == ["11:00 remind"]
