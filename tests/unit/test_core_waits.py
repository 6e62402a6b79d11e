"""Waits by the calendar and the wall clock, in the person's zone (semantics 3.3 and 5.1 to 5.11)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from schemas.event import Event
from schemas.flow import Flow
from schemas.identity import Identity
from tests.unit.stage import Stage, checkout, event, order
from tests.unit.written import BOUGHT, REMIND, on, said, say, states, written

BERLIN = {"timezone": "Europe/Berlin"}


def sent(flow: Flow, begins: str) -> str:
    """When the only message of a flow goes to who begins it then."""
    (command,) = Stage(flow).event(checkout(begins)).finish().commands
    return command.decided_at.removesuffix(":00.000Z")


class TestFor:
    """`wait: { for: ... }`: days and months by the calendar, the rest exact."""

    @pytest.mark.parametrize(
        ("span", "begins", "goes"),
        [
            ("24h", on("2027-03-27", "17:00"), "2027-03-28T17:00"),  # exact
            ("1d", on("2027-03-27", "17:00"), "2027-03-28T16:00"),  # 18:00 there on both days, 23 hours apart
            ("1d", on("2027-10-30", "16:00"), "2027-10-31T17:00"),  # 25 hours
            ("1d", on("2027-03-27", "01:30"), "2027-03-28T01:00"),  # 02:30 is skipped: the first instant after it
            ("1d12h", on("2027-03-27", "17:00"), "2027-03-29T04:00"),
            ("2w", on("2027-03-20", "17:00"), "2027-04-03T16:00"),
            ("6mo", on("2027-08-31"), "2028-02-29T11:00"),  # clamped to the last day; 12:00 there in summer and winter
            ("1y", on("2028-02-29"), "2029-02-28T10:00"),
        ],
    )
    def test_a_day_is_a_day_of_the_calendar(self, span: str, begins: str, goes: str) -> None:
        """Semantics 5.1 and 5.7."""
        assert sent(written({"wait": {"for": span}}, REMIND, **BERLIN), begins) == goes

    def test_the_first_counts_from_the_anchor_and_later_ones_from_the_completion_of_the_one_before(self) -> None:
        """Semantics 3.3: also when the trigger arrives late, and when everything is woken late."""
        flow = written({"wait": {"for": "1d"}}, say("one"), {"wait": {"for": "1mo"}}, say("two"), **BERLIN)
        stage = Stage(flow, clock="live").event(checkout("10:00"), "15:00").tick("+2 00:00").tick("+35 00:00")
        assert stage.sent == ["+2 00:00 one", "+35 00:00 two"]
        assert stage.tallies["decision", "f", "sent", "due"] == 2
        assert Stage(flow).event(checkout("10:00"), "15:00").finish().sent == ["+1 10:00 one", "+31 10:00 two"]


class TestUntil:
    """`wait: { until: "09:00", on: [...] }`. The day of the stage, 20 November 2026, is a Friday."""

    @pytest.mark.parametrize(
        ("begins", "days", "goes"),
        [
            ("08:00", None, "2026-11-20T09:00"),
            ("09:00", None, "2026-11-20T09:00"),  # exactly then is now
            ("09:00:00.001", None, "2026-11-21T09:00"),  # no hidden grace
            ("09:30", ["mon-fri"], "2026-11-23T09:00"),
            ("08:00", ["sat", "sun"], "2026-11-21T09:00"),
        ],
    )
    def test_the_next_allowed_day(self, begins: str, days: list[str] | None, goes: str) -> None:
        """Semantics 5.3."""
        until = {"until": "09:00"} | ({"on": days} if days else {})
        assert sent(written({"wait": until}, REMIND), begins) == goes

    def test_the_weekday_is_that_of_the_person(self) -> None:
        """Semantics 5.4: Sunday 16:00 UTC is Monday 05:00 in Auckland."""
        flow = written({"wait": {"until": "09:00", "on": ["mon"]}}, REMIND, timezone="Pacific/Auckland")
        assert sent(flow, "+2 16:00") == "2026-11-22T20:00"

    def test_a_time_that_is_skipped_is_the_first_instant_after_the_gap(self) -> None:
        """Semantics 5.2."""
        assert sent(written({"wait": {"until": "02:30"}}, REMIND, **BERLIN), on("2027-03-28", "00:10")) == (
            "2027-03-28T01:00"
        )

    def test_it_counts_from_when_the_step_was_entered_and_not_from_when_anybody_woke_up(self) -> None:
        """Semantics 5.6: entered at 08:30, so 09:00 of that day is meant, though all slept until 10:00."""
        flow = written({"wait": {"for": "30m"}}, {"wait": {"until": "09:00"}}, REMIND)
        stage = Stage(flow, clock="live").event(checkout("08:00")).tick("10:00")
        assert stage.sent == ["10:00 remind"]

    def test_who_comes_back_to_it_waits_for_the_next_one(self) -> None:
        """Semantics 5.11: a time of the day that is now has been had."""
        again = {"label": "morning", "wait": {"until": "09:00"}}
        back = {"if": {"condition": {"trigger.coupon": {"is_not_set": True}}, "then": "morning"}}
        flow = written(again, REMIND, back, exits=[BOUGHT])
        stage = Stage(flow).event(checkout("08:00")).event(order("+2 12:00")).finish()
        assert stage.sent == ["09:00 remind", "+1 09:00 remind", "+2 09:00 remind"]
        assert [one.visit for one in stage.commands] == [1, 2, 3]


class TestUntilDate:
    """`wait: { until_date: ... }`."""

    @pytest.mark.parametrize(
        ("date", "more", "goes"),
        [
            ("2026-12-24T20:00:00+01:00", {}, "2026-12-24T19:00"),
            ("2026-12-24", {}, "2026-12-23T23:00"),  # where the person is, a day begins at midnight
            ("2026-12-24T20:00:00+01:00", {"before": "2d", "at": "10:00"}, "2026-12-22T09:00"),
            ("2026-12-24T20:00:00+01:00", {"before": "90m"}, "2026-12-24T17:30"),
            ("2026-12-24", {"after": "1mo", "at": "09:00"}, "2027-01-24T08:00"),
            ("2026-11-01", {}, "2026-11-20T10:00"),  # past: at once
        ],
    )
    def test_so_long_before_or_after_it_at_a_time_of_that_day(self, date: str, more: dict[str, str], goes: str) -> None:
        """Semantics 5.9."""
        flow = written({"wait": {"until_date": "trigger.subject"} | more}, REMIND, **BERLIN)
        stage = Stage(flow)
        stage.event(_about(date)).finish()
        assert [one.decided_at.removesuffix(":00.000Z") for one in stage.commands] == [goes]

    @pytest.mark.parametrize(
        ("date", "reason"), [("2026-11-01", "date_past"), ("next week", "date_missing"), ("", "date_missing")]
    )
    def test_no_date_or_one_that_is_past_ends_it(self, date: str, reason: str) -> None:
        flow = written({"wait": {"until_date": "trigger.subject", "when_past": "stop"}}, REMIND)
        stage = Stage(flow).event(_about(date)).finish()
        assert stage.story == ["10:00 entered triggered", f"10:00 ended {reason}"]

    def test_behind_other_steps_too(self) -> None:
        flow = written({"wait": {"for": "1h"}}, {"wait": {"until_date": "fact.birthday"}}, REMIND)
        assert Stage(flow).event(checkout("10:00")).finish().story[-1] == "11:00 ended date_missing"

    def test_a_fact_may_say_it(self) -> None:
        flow = written({"wait": {"until_date": "fact.birthday", "at": "08:00"}}, REMIND, **BERLIN)
        stage = Stage(flow, states("birthday")).event(said("2026-12-01", "09:00")).event(checkout("10:00")).finish()
        assert stage.sent == ["+11 07:00 remind"]

    @pytest.mark.parametrize("kind", ["date", "instant", "text"])
    def test_a_word_of_any_kind_that_says_a_moment(self, kind: str) -> None:
        """Semantics 5.9 and 3.7: the date or instant that a word of the trigger says, in a step and in a trigger."""
        trip = {"event": "custom_trip", "words": {"departs": kind}}
        far = {"before": "2d", "at": "10:00"}
        says = "2026-12-24T00:00:00Z" if kind == "instant" else "2026-12-24"
        in_step = written({"wait": {"until_date": "trigger.departs"} | far}, REMIND, trigger=trip)
        in_trigger = written(REMIND, trigger={"date": trip | {"word": "trigger.departs"} | far})
        for flow in (in_step, in_trigger):
            booked = replace(event("site_active", "10:00", departs=says), type="custom.trip")
            stage = Stage(flow).event(booked).finish()
            assert [one.decided_at.removesuffix(":00.000Z") for one in stage.commands] == ["2026-12-22T10:00"]


def _about(subject: str) -> Event:
    return replace(checkout("10:00"), subject=subject or None)


class TestZones:
    """Where a person is: profile, phone, storefront, flow; and the choice is recorded (semantics 5.5)."""

    FLOW = written({"wait": {"until": "09:00"}}, REMIND, timezone={"default": "Asia/Tokyo"})

    def test_the_fact_comes_first_and_decisions_say_so(self) -> None:
        stage = Stage(self.FLOW, states("timezone")).event(said("America/New_York", "09:00")).event(checkout("10:00"))
        assert stage.finish().sent == ["14:00 remind"]
        entered, message = (one for one in stage.decisions if one.flow == "f" and one.outcome in ("entered", "sent"))
        assert (message.values["zone"], message.values["zone_from"]) == ("America/New_York", "profile")
        assert entered.values["zone"] == "America/New_York"

    def test_then_the_phone_then_the_country_then_the_flow(self) -> None:
        by_phone = Identity(external_id="ann", phone="+4930123456")
        assert Stage(self.FLOW).event(checkout("10:00", identity=by_phone)).finish().sent == ["+1 08:00 remind"]
        country = Stage(self.FLOW, states("country")).event(said("DE", "09:00")).event(checkout("10:00")).finish()
        assert country.sent == ["+1 08:00 remind"]
        assert Stage(self.FLOW).event(checkout("10:00")).finish().sent == ["+1 00:00 remind"]

    def test_an_invalid_name_falls_to_the_next_and_is_counted(self) -> None:
        stage = Stage(self.FLOW, states("timezone")).event(said("Berlin", "09:00")).event(checkout("10:00")).finish()
        assert stage.sent == ["+1 00:00 remind"]
        assert stage.tallies["zone_invalid", "profile"] == 1

    def test_an_exact_wait_asks_nobody(self) -> None:
        flow = written({"wait": {"for": "1h"}}, REMIND)
        stage = Stage(flow, states("timezone")).event(said("Berlin", "09:00")).event(checkout("10:00")).finish()
        assert not stage.tallies["zone_invalid", "profile"]
        assert "zone" not in stage.decisions[-1].values

    def test_a_local_wait_is_computed_anew_when_the_zone_changes_and_an_elapsed_one_is_not(self) -> None:
        """09:00 in Tokyo is midnight UTC; in New York it is 14:00. The hour passes everywhere."""
        hour = written({"wait": {"for": "20h"}}, REMIND, name="hour")
        stage = (
            Stage(self.FLOW, hour, states("timezone")).event(checkout("10:00")).event(said("America/New_York", "11:00"))
        )
        stage.pass_time("11:01").pass_time("+2 00:00")
        assert stage.sent == ["14:00 remind", "+1 06:00 remind"]

    def test_it_counts_from_the_same_moment_as_before(self) -> None:
        """10:00 UTC is 19:00 in Tokyo and 05:00 in New York: 1d from there is a day later in both."""
        flow = written({"wait": {"for": "1mo"}}, REMIND, timezone={"default": "Europe/Berlin"})
        stage = Stage(flow, states("timezone")).event(checkout(on("2027-03-01")))
        stage.event(said("America/New_York", on("2027-03-02"))).finish()
        assert stage.commands[0].decided_at == "2027-04-01T09:00:00.000Z"  # 05:00 there, in summer and in winter

    def test_the_same_zone_by_another_word_is_no_change(self) -> None:
        """Semantics 5.9: the date is asked anew when the zone changes, and then only."""
        flow = written({"wait": {"until_date": "fact.renewal"}}, REMIND, timezone={"default": "Europe/Berlin"})
        stage = Stage(flow, states("renewal")).event(said("2026-12-01", "09:00")).event(checkout("10:00"))
        stage.event(said("2026-12-05", "11:00")).event(
            checkout("12:00", identity=Identity(external_id="ann", phone="+4930123456"))
        )
        assert stage.finish().commands[0].decided_at == "2026-11-30T23:00:00.000Z"

    def test_who_has_been_due_already_stays_due(self) -> None:
        """Semantics 5.5: a wait that is over is over, though nobody has woken up yet when the phone becomes known."""
        stage = Stage(self.FLOW, clock="live").event(checkout("10:00"))
        stage.event(order("+1 00:01", identity=Identity(external_id="ann", phone="+4930123456"))).tick("+1 00:02")
        assert stage.sent == ["+1 00:02 remind"]

    def test_a_flow_may_name_one_zone_for_everybody(self) -> None:
        flow = written({"wait": {"until": "09:00"}}, REMIND, **BERLIN)
        stage = Stage(flow, states("timezone")).event(said("Asia/Tokyo", "09:00")).event(checkout("10:00")).finish()
        assert stage.sent == ["+1 08:00 remind"]
        assert stage.decisions[-1].values["zone_from"] == "flow"


def _orders(stage: Stage, *times: str) -> Stage:
    for time in times:
        stage.event(event("order_placed", time))
    return stage


class TestWinback:
    """S0-11: winback half a year after an order, unless there is another one since it began."""

    FLOW = written({"wait": {"for": "6mo"}}, say("winback"), trigger="order_placed",
                   exits=[{"when": {"event": "order_placed"}, "reason": "ordered_again"}])  # fmt: skip

    def test_s0_11_no_more_orders(self) -> None:
        assert _orders(Stage(self.FLOW), on("2027-01-01")).finish().sent == [f"{on('2027-07-01')} winback"]

    def test_s0_11_another_order_ends_the_first_and_begins_anew(self) -> None:
        """On one record, exits are judged before entries (semantics 3.1)."""
        stage = _orders(Stage(self.FLOW), on("2027-01-01"), on("2027-03-01")).finish()
        assert stage.sent == [f"{on('2027-09-01')} winback"]
        march = on("2027-03-01")
        assert stage.story[1:3] == [f"{march} ended ordered_again", f"{march} entered triggered"]

    def test_s0_11_two_orders_four_minutes_apart(self) -> None:
        stage = _orders(Stage(self.FLOW), on("2027-01-01"), on("2027-01-01", "10:04")).finish()
        assert stage.sent == [f"{on('2027-07-01', '10:04')} winback"]


@pytest.mark.parametrize(
    ("channel", "story"),
    [("2", "sent due"), ("3", "sent due"), ("9", "ended no_branch_matched")],
)
def test_s4_06_a_chain_of_splits_by_storefront_never_ends_silently(channel: str, story: str) -> None:
    """S4-06: after four hours, by storefront; what no branch wants ends with a reason."""
    flow = written(
        {"wait": {"for": "4h"}},
        {"route": {"by": "trigger.channel_id", "cases": {"2": "two", "3": "three"},
                   "otherwise": {"stop": "no_branch_matched"}}},
        say("two"), {"stop": "done"}, say("three"),
    )  # fmt: skip
    stage = Stage(flow).event(checkout("10:00", channel_id=channel)).finish()
    assert stage.story[1] == f"14:00 {story}"
    assert [one.step for one in stage.commands] == {"2": ["two"], "3": ["three"], "9": []}[channel]
