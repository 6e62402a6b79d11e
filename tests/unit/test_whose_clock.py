"""By whose clock a message waits for its hours, and what follows when that is another one (semantics 5.5, 8.7)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.dossier import Stated
from schemas.event import Event
from schemas.flow import Flow, Timezone
from schemas.identity import Identity
from schemas.instants import to_wire
from schemas.policy import Policy, QuietHours, Storefront
from schemas.steps import Value
from schemas.window import Window
from streams.passage import Go, Hold
from streams.steps import send as send_step
from tests.unit.stage import HOUR, Stage, at, checkout, consent, event, flow, receipt, send, wait
from tests.unit.test_send_gates import WINDOW, message, ready
from tests.unit.written import written

PERSON = Identity(external_id="ann", email="ann@example.test")
ZONES = {"1": "Europe/Berlin", "2": "America/New_York"}
POLICY = Policy(storefronts={name: Storefront(timezone=zone) for name, zone in ZONES.items()})


def evening(own: Value | None = None) -> Flow:
    """A message 15 minutes after a checkout, by day only."""
    return flow(wait(15), replace(send(channel="email"), window=WINDOW, storefront=own))


def knows(stage: Stage, fact: str, value: str, time: str) -> Stage:
    """A fact becomes known, and something happens."""
    stage.partition._profiles.of(next(iter(stage.store))).known().facts[fact] = Stated(value, at(time))
    return stage.event(consent(time, "sms", "granted", identity=PERSON))


@pytest.mark.parametrize(
    ("own", "zone", "until"),
    [
        (None, "Europe/Berlin", "+1 07:00"),
        (Value("literal", "2"), "America/New_York", None),  # there it is 15:30
        (Value("trigger", "channel_id"), "America/New_York", None),
        (Value("literal", "3"), "UTC", None),
    ],
)
def test_the_storefront_is_that_of_the_message(own: Value | None, zone: str, until: str | None) -> None:
    """Semantics 5.5."""
    step = message(window=WINDOW, storefront=own)
    passage = ready(step, now="20:30")
    timezone = Timezone(default="UTC", storefronts=ZONES)
    passage.flow = replace(passage.flow, storefront=Value("literal", "1"), timezone=timezone)
    move = send_step.run(step, passage)
    assert move == (Go(1) if until is None else Hold(at(until)))
    note, source = passage.notes[-1], "flow" if zone == "UTC" else "storefront"
    assert (note.values["zone"], note.values["zone_from"]) == (zone, source)
    if until is None:
        assert note.order is not None
        assert note.order.message.not_after == at("20:45")


def test_a_new_zone_has_the_window_looked_up_again() -> None:
    """Semantics 8.7."""
    stage = Stage(evening()).event(checkout("21:00", identity=PERSON)).pass_time("21:20")
    knows(stage, "timezone", "America/New_York", "21:22").finish()
    assert stage.sent == ["21:22 remind"]  # it is 16:22 there


def test_its_moment_is_that_at_which_the_zone_changed() -> None:
    """Semantics 8.7, 8.8. What happens between that and the tick that releases it does not put it off."""
    stage = Stage(evening(), clock="live").event(checkout("21:00", identity=PERSON)).tick("21:20")
    knows(stage, "timezone", "America/New_York", "21:22")
    stage.event(consent("21:24", "sms", "withdrawn", identity=PERSON))
    assert stage.tick("21:30", through="21:23").sent == ["21:30 remind"]


def test_so_has_a_new_storefront_of_the_message() -> None:
    """Semantics 5.5, 8.7. As long as it is the same, whatever happens leaves the message where it is."""
    stage = Stage(evening(Value("fact", "store")), policy=POLICY).event(checkout("21:00", identity=PERSON))
    knows(stage, "store", "1", "21:10").pass_time("21:16")
    knows(stage, "store", "1", "21:20").pass_time("21:21")
    assert stage.story[1:] == ["21:15 held window"]
    knows(stage, "store", "2", "21:23").finish()
    assert stage.sent == ["21:23 remind"]  # it is 16:23 there


def test_a_message_whose_command_has_expired_waits_by_the_clock_of_the_new_zone_too() -> None:
    """Semantics 8.7, 9.6."""
    stage = Stage(evening()).event(checkout("20:40", identity=PERSON)).pass_time("20:56")
    stage.event(receipt("21:10", stage.commands[0], "expired", identity=PERSON)).pass_time("21:11")
    assert stage.story[-1] == "21:10 held window"
    knows(stage, "timezone", "America/New_York", "21:22").finish()
    assert stage.sent == ["20:55 remind", "21:22 remind"]


BERLIN = "Europe/Berlin"
NIGHT = QuietHours(channels=("email",), window=Window(21 * HOUR, 8 * HOUR))
QUIET = replace(POLICY, quiet_hours=(NIGHT,))
MAIL = {"label": "remind", "send": {"template": "t", "channel": "email"}}
BY_DAY = {"label": "remind", "send": {"template": "t", "channel": "email", "window": {"local": "08:00-21:00"}}}


def lives(time: str, **facts: Any) -> Event:
    """Somebody says where they live."""
    return event("profile_updated", time, identity=PERSON, **facts)


class TestAFlowWithAClockOfItsOwn:
    """Semantics 5.5, 8.7: its waits go by that, the hours of its messages by where the recipient is."""

    @pytest.mark.parametrize("timezone", [BERLIN, {"from": ["phone"], "default": BERLIN}])
    @pytest.mark.parametrize(("step", "reason"), [(MAIL, "quiet_hours"), (BY_DAY, "window")])
    @pytest.mark.parametrize(
        ("facts", "phone", "storefront", "zone", "source", "until"),
        [
            ({"timezone": "Asia/Tokyo"}, "+4930123456", "2", "Asia/Tokyo", "profile", "23:00"),  # there it is 21:00
            ({"timezone": "Nowhere", "country": "JP"}, None, "2", "Asia/Tokyo", "phone", "23:00"),
            ({}, "+819012345678", "2", "Asia/Tokyo", "phone", "23:00"),
            ({}, None, "2", "America/New_York", "storefront", "13:00"),  # there it is 7:00
            ({}, None, "9", BERLIN, "flow", None),
        ],
    )
    def test_keeps_the_hours_of_the_recipient(
        self, timezone: Any, step: Any, reason: str, facts: dict[str, str], phone: str | None, storefront: str,
        zone: str, source: str, until: str | None,
    ) -> None:  # fmt: skip
        """In the law's order, the flow last; each decision says which zone it was, and who has named it."""
        own = written(step, timezone=timezone, storefront=storefront)
        stage = Stage(own, policy=QUIET if step is MAIL else POLICY).event(lives("11:00", **facts))
        stage.event(checkout("12:00", identity=replace(PERSON, phone=phone))).finish()
        assert stage.sent == [f"{until or '12:00'} remind"]
        told = [one for one in stage.decisions if one.outcome in ("held", "sent")]
        assert [one.reason for one in told] == ["due"] if until is None else [reason, "due"]
        assert {(one.values["zone"], one.values["zone_from"]) for one in told} == {(zone, source)}

    def test_waits_by_that(self) -> None:
        """Until nine in Berlin, which is 17:00 in Tokyo; a wait of that flow does not move with the person."""
        own = written({"wait": {"until": "09:00"}}, MAIL, timezone=BERLIN)
        stage = Stage(own, policy=QUIET).event(lives("10:00", timezone="America/New_York"))
        stage.event(checkout("12:00", identity=PERSON)).event(lives("13:00", timezone="Asia/Tokyo")).finish()
        assert stage.sent == ["+1 08:00 remind"]

    def test_judges_again_who_is_elsewhere_by_now(self) -> None:
        """Semantics 8.7: at once, be it for the message of a run or for one whose command has expired."""
        own = written(MAIL, timezone=BERLIN)
        stage = Stage(own, policy=QUIET).event(lives("10:00", timezone="Asia/Tokyo"))
        stage.event(checkout("11:50", identity=PERSON)).pass_time("11:51")
        assert stage.commands[0].not_after == to_wire(at("12:00"))
        stage.event(receipt("12:01", stage.commands[0], "expired", identity=PERSON))
        stage.event(checkout("12:05", identity=PERSON)).pass_time("12:10")
        held = [line for line in stage.story if "held" in line]
        assert held == ["12:01 held quiet_hours", "12:05 held quiet_hours"]
        stage.event(lives("12:20", country="FR")).pass_time("12:21")
        assert stage.sent == ["11:50 remind"]  # the profile says Tokyo as before
        stage.event(lives("12:22", timezone=BERLIN)).finish()
        assert stage.sent == ["11:50 remind", "12:22 remind", "12:22 remind"]
        assert {one.values["zone_from"] for one in stage.decisions if one.outcome == "sent"} == {"profile"}
