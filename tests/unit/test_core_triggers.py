"""Every kind of trigger: `event`, `list.join`, `api`, `date` and `schedule` (semantics 3.1, 3.7 and 3.8)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas.event import Event
from schemas.profile import NEVER
from streams.program import build
from streams.telling import tell
from tests.unit.stage import Stage, at, checkout, event
from tests.unit.written import REMIND, on, said, states, written

BERLIN = {"timezone": "Europe/Berlin"}
BIRTHDAY = {"date": {"fact": "birthday", "before": "3d", "at": "09:00", "yearly": True}}


def moments(stage: Stage) -> list[str]:
    """When messages were ordered, to the hour."""
    return [one.decided_at.removesuffix(":00:00.000Z") for one in stage.commands]


class TestEvent:
    """`event: NAME` with `source` is an event of that type from there; a source covers what stands below it."""

    @pytest.mark.parametrize(
        ("source", "sent"),
        [("shop.site", True), ("shop.site.eu", True), ("market/de", True), ("shop", False), ("shop.sites", False)],
    )
    def test_only_that_type_from_there(self, source: str, sent: bool) -> None:
        stage = Stage(written(REMIND, trigger={"event": "checkout_started", "source": ["shop.site", "market"]}))
        stage.event(event("cart_updated", "10:00", source=source))
        stage.event(event("checkout_started", "11:00", source=source)).finish()
        assert stage.sent == (["11:00 remind"] if sent else [])


class TestListJoin:
    """`list.join: ID` is the event `list_subscribed` with that id."""

    def test_only_that_list(self) -> None:
        stage = Stage(written(REMIND, trigger={"list.join": "news"}, entry={"key": "trigger.list_id"}))
        stage.event(event("list_subscribed", "10:00", list_id="other")).event(
            event("list_subscribed", "11:00", list_id="news")
        )
        assert stage.finish().sent == ["11:00 remind"]
        assert stage.commands[0].variables["trigger"]["list_id"] == "news"

    def test_a_where_of_its_own_must_hold_too(self) -> None:
        entry = {"where": {"channel_id": {"eq": "2"}}}
        stage = Stage(written(REMIND, trigger={"list.join": "news"}, entry=entry))
        for time, channel in (("10:00", "1"), ("11:00", "2")):
            stage.event(event("list_subscribed", time, list_id="news", channel_id=channel))
        assert stage.finish().sent == ["11:00 remind"]


class TestApi:
    """`api: NAME` is the event `api_call` with that name."""

    def test_only_that_name(self) -> None:
        stage = Stage(written(REMIND, trigger={"api": "win_a_mug"}))
        stage.event(event("api_call", "10:00", name="other")).event(
            event("api_call", "11:00", name="win_a_mug")
        ).finish()
        assert stage.sent == ["11:00 remind"]


class TestDate:
    """Days before or after a fact of the person, once or every year."""

    @staticmethod
    def stage(date: str, trigger: Any = None, **more: Any) -> Stage:
        flow = written(REMIND, trigger=trigger or BIRTHDAY, **(BERLIN | more))
        return Stage(flow, states("birthday")).event(said(date, "09:00")).pass_time("09:01")

    def test_every_year_at_that_time_there(self) -> None:
        stage = self.stage("1990-05-10").pass_time(on("2029-01-01"))
        assert moments(stage) == ["2027-05-07T07", "2028-05-07T07"]
        entered = [one for one in stage.decisions if (one.flow, one.outcome) == ("f", "entered")]
        assert entered[0].values["anchor_at"] == "2027-05-07T07:00:00.000Z"
        assert stage.commands[0].variables["trigger"] == {"moment": "2027-05-07T07:00:00.000Z", "date": "1990-05-10"}
        assert len({one.command_id for one in stage.commands}) == 2

    def test_the_zone_by_whose_clock_it_began_stands_in_the_decision(self) -> None:
        """Semantics 5.5: which one it was, and who said so."""
        until = "+200 09:00"
        entered = [
            one.values for one in self.stage("1990-05-10").pass_time(until).decisions if one.outcome == "entered"
        ]
        berlin = {"zone": "Europe/Berlin", "zone_from": "flow"}
        assert [one for one in entered if "zone" in one] == [{"anchor_at": "2027-05-07T07:00:00.000Z", **berlin}]
        again = {"reentry": "always", "retrigger": "restart"}
        daily = written({"wait": {"for": "30h"}}, REMIND, trigger={"schedule": {"at": "09:00"}}, entry=again)
        stage = Stage(daily, states("timezone")).event(said("Asia/Tokyo", "09:00", url="timezone")).pass_time("09:01")
        stage.pass_time("+2 00:30")
        tokyo = {"zone": "Asia/Tokyo", "zone_from": "profile"}
        assert [(one.outcome, one.values) for one in stage.decisions if one.flow == "f"] == [
            ("entered", {"anchor_at": "2026-11-21T00:00:00.000Z", **tokyo}),
            ("restarted", {"triggered_at": "2026-11-22T00:00:00.000Z", **tokyo}),
        ]
        assert tell(stage.decisions[-1]).endswith("; zone Asia/Tokyo of their profile")

    def test_who_begins_by_an_event_began_in_no_zone(self) -> None:
        stage = Stage(written(REMIND, **BERLIN)).event(checkout("10:00"))
        assert stage.decisions[0].values == {"anchor_at": "2026-11-20T10:00:00.000Z"}

    def test_a_leap_day_is_the_last_of_february_in_other_years(self) -> None:
        once = {"date": {"fact": "birthday", "at": "09:00", "yearly": True}}
        assert moments(self.stage("1992-02-29", once).pass_time(on("2029-01-01"))) == ["2027-02-28T08", "2028-02-29T08"]

    def test_once_only_and_never_when_it_is_past(self) -> None:
        once = {"date": {"fact": "birthday", "after": "2d", "at": "09:00"}}
        assert moments(self.stage("2026-12-24", once).pass_time(on("2029-01-01"))) == ["2026-12-26T08"]
        past = self.stage("2026-11-01", once)
        assert moments(past.pass_time(on("2029-01-01"))) == []
        assert _appointment(past).at == NEVER

    def test_a_date_that_changes_moves_the_moment_and_one_that_is_none_takes_it_away(self) -> None:
        stage = self.stage("1990-05-10").event(said("1990-06-10", on("2027-01-01"))).pass_time(on("2028-01-01"))
        assert moments(stage) == ["2027-06-07T07"]
        stage = self.stage("1990-05-10").event(said("in May", on("2027-01-01"))).pass_time(on("2028-01-01"))
        assert moments(stage) == []

    def test_a_zone_that_changes_moves_it_too(self) -> None:
        flow = written(REMIND, trigger=BIRTHDAY)
        stage = Stage(flow, states("birthday"), states("timezone"))
        stage.event(said("1990-05-10", "09:00", url="birthday"))
        assert _appointment(stage.pass_time("09:01")).at == at(on("2027-05-07", "09:00"))
        stage.event(said("America/New_York", "09:02", url="timezone")).pass_time("09:03")
        assert _appointment(stage).at == at(on("2027-05-07", "13:00"))

    def test_a_flow_that_is_new_reaches_people_when_they_are_next_heard_of(self) -> None:
        """Semantics 3.8."""
        stage = Stage(states("birthday")).event(said("1990-12-01", "09:00")).pass_time("09:01")
        stage.restart(build([states("birthday"), written(REMIND, trigger=BIRTHDAY)]))
        assert stage.partition.next_wakeup_at == NEVER
        stage.event(checkout("10:00"))
        assert stage.partition.next_wakeup_at == at(on("2026-11-28", "09:00"))
        stage.restart()
        assert stage.partition.next_wakeup_at == at(on("2026-11-28", "09:00")), "it lives in the state"

    def test_after_an_outage_its_age_decides(self) -> None:
        """Semantics 3.8: a moment that is noticed a day late enrolls nobody, and the next one is made."""
        flow = written(REMIND, trigger=BIRTHDAY)
        for late, sent in (("09:30", 1), ("+1 09:00:00.001", 0)):
            stage = Stage(flow, states("birthday"), clock="live").event(said("1990-12-01", "08:00")).tick("08:01")
            days = int(on("2026-11-28").split()[0])
            noticed = f"+{days + late.startswith('+')} {late.split()[-1]}"
            stage.tick(noticed).tick(f"{noticed.split()[0]} 09:45")
            assert len(stage.commands) == sent
            assert stage.tallies["decision", "f", "refused", "trigger_too_old"] == 1 - sent
            assert _appointment(stage).at == at(on("2027-11-28", "09:00"))

    def test_the_end_of_a_log_is_not_the_end_of_all_birthdays(self) -> None:
        stage = self.stage("1990-05-10").event(checkout("10:00")).finish()
        assert moments(stage) == []
        assert stage.partition.pending == 1

    def test_who_is_enrolled_goes_on_at_the_end_of_a_log(self) -> None:
        flow = written({"wait": {"for": "1y"}}, REMIND, name="year")
        stage = Stage(flow, written(REMIND, trigger=BIRTHDAY), states("birthday")).event(said("1990-05-10", "09:00"))
        stage.event(checkout("10:00")).finish()
        assert stage.sent == ["+365 10:00 remind"]

    def test_of_an_event_the_flow_waits_for_the_date_first(self) -> None:
        date = {
            "event": "custom_trial",
            "words": {"ends": "instant"},
            "word": "trigger.ends",
            "before": "2d",
            "at": "10:00",
        }
        flow = written(REMIND, trigger={"date": date}, **BERLIN)
        stage = Stage(flow)
        stage.event(_trial("2026-12-24T20:00:00+01:00", "10:00")).event(
            _trial("2026-11-21T10:00:00Z", "11:00", who="bob")
        )
        stage.event(_trial(None, "12:00", who="cid")).finish()
        assert moments(stage) == ["2026-12-22T09"]
        ended = [one.reason for one in stage.decisions if one.outcome == "ended"]
        assert ended == ["date_past", "date_missing", "done"]


def _trial(ends: str | None, time: str, *, who: str = "ann") -> Event:
    properties = msgspec.Raw(json.dumps({"ends": ends} if ends else {}).encode())
    return replace(checkout(time, who=who), type="custom.trial", properties=properties)


def _appointment(stage: Stage) -> Any:
    dossier = stage.profile().dossier
    assert dossier is not None
    return dossier.appointments["f"]


class TestSchedule:
    """By the clock, for everybody we know."""

    def play(self, schedule: dict[str, Any], until: str, **top: Any) -> list[str]:
        stage = Stage(written(REMIND, trigger={"schedule": schedule}, **top)).event(checkout("10:00"))
        return moments(stage.pass_time(until))

    def test_on_a_weekday(self) -> None:
        assert self.play({"at": "09:00", "on": ["mon"]}, "+12 00:00") == ["2026-11-23T09", "2026-11-30T09"]

    def test_on_a_day_of_the_month_that_is_clamped_to_the_last(self) -> None:
        assert self.play({"at": "09:00", "day": 31}, on("2027-04-01", "00:00"), **BERLIN) == [
            "2026-11-30T08", "2026-12-31T08", "2027-01-31T08", "2027-02-28T08", "2027-03-31T07",
        ]  # fmt: skip

    def test_the_end_of_a_log_meets_no_more_of_them_though_somebody_is_woken_by_then(self) -> None:
        """Semantics 3.8."""
        daily = {"schedule": {"at": "09:00"}}
        flow = written({"wait": {"for": "24h"}}, REMIND, trigger=daily, entry={"reentry": {"max": 2, "per": "30d"}})
        stage = Stage(flow).event(checkout("10:00")).pass_time("+1 10:00").finish()
        assert [one for one in stage.story if "entered" in one] == ["+1 09:00 entered triggered"]
        assert stage.sent == ["+2 09:00 remind"]

    def test_who_is_enrolled_goes_on_first_through_every_wait_that_is_over(self) -> None:
        """Semantics 3.8: the run of yesterday is over before the next one is asked for."""
        flow = written(
            {"wait": {"for": "24h"}}, {"set": {"seen": True}}, {"wait": {"until": "09:00"}}, REMIND,
            trigger={"schedule": {"at": "09:00"}},
        )  # fmt: skip
        stage = Stage(flow).event(checkout("10:00")).pass_time("+4 10:00")
        assert stage.sent == ["+2 09:00 remind", "+3 09:00 remind", "+4 09:00 remind"]

    def test_daily_and_a_day_that_is_too_short_has_it_a_little_later(self) -> None:
        schedule = {"at": "02:30"}
        found = Stage(written(REMIND, trigger={"schedule": schedule}, **BERLIN)).event(checkout(on("2027-03-27")))
        found.pass_time(on("2027-03-30", "00:00"))
        assert [one.decided_at for one in found.commands] == ["2027-03-28T01:00:00.000Z", "2027-03-29T00:30:00.000Z"]

    def test_a_week_of_outage_gives_one_message_and_not_seven(self) -> None:
        """Semantics 3.8: moments older than `max_trigger_age` are left out."""
        stage = Stage(written(REMIND, trigger={"schedule": {"at": "09:00"}}), clock="live").event(checkout("10:00"))
        stage.tick("+8 08:00").tick("+8 08:30").tick("+8 08:31")
        assert stage.sent == ["+8 08:00 remind"]
        assert stage.tallies["decision", "f", "refused", "trigger_too_old"] == 1

    def test_who_shows_up_gets_an_appointment_and_nothing_at_once(self) -> None:
        stage = Stage(written(REMIND, trigger={"schedule": {"at": "09:00"}}, entry={"reentry": "never"}))
        stage.event(checkout("10:00"))
        assert (stage.sent, stage.partition.next_wakeup_at) == ([], at("+1 09:00"))

    @pytest.mark.parametrize("wanted", [{"at": "09:00"}, {"at": "09:00", "day": 1}])
    def test_exactly_then_is_now(self, wanted: dict[str, Any]) -> None:
        stage = Stage(written(REMIND, trigger={"schedule": wanted})).event(checkout(on("2026-12-01", "09:00")))
        assert stage.partition.next_wakeup_at == at(on("2026-12-01", "09:00"))
        assert moments(stage.pass_time(on("2026-12-01", "10:00"))) == ["2026-12-01T09"]

    @pytest.mark.parametrize("clock", ["carried", "live"])
    def test_a_moment_that_is_made_anew_is_not_met_a_second_time(self, clock: Any) -> None:
        """Semantics 3.8. The other zone has the same time."""
        zone = {"from": ["profile"], "default": "Europe/Berlin"}
        moved = {"set": {"timezone": "Europe/Vienna"}}
        flow = written(moved, REMIND, trigger={"schedule": {"at": "09:00"}}, timezone=zone)
        stage = Stage(flow, clock=clock).event(checkout("06:00"))
        if clock == "live":
            stage.tick("08:00").restart().tick("08:00").tick("09:00")
        assert (stage.pass_time("09:00") if clock == "carried" else stage).sent == ["08:00 remind"]
        assert _appointment(stage).at == at("+1 08:00")
