"""By whose clock a message waits for its hours, and what follows when that is another one (semantics 5.5, 8.7)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from schemas.dossier import Stated
from schemas.flow import Flow, Timezone
from schemas.identity import Identity
from schemas.policy import Policy, Storefront
from schemas.steps import Value
from streams.passage import Go, Hold
from streams.steps import send as send_step
from tests.unit.stage import Stage, at, checkout, consent, flow, receipt, send, wait
from tests.unit.test_send_gates import WINDOW, message, ready

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
