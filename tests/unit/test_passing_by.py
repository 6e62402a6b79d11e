"""Events that nobody asks for: of most people they change nothing but that they were there, and the rest of the state
stays packed. Of some they may change more, whoever asks for them.
"""

from __future__ import annotations

import pytest
from msgspec import Raw
from msgspec.structs import replace

from schemas import codec
from schemas.flow import Timezone
from schemas.identity import Identity
from schemas.policy import Policy, QuietHours, Storefront
from schemas.profile import ENROLLED, HELD, LOCAL, ORDERED, Presence, Profile
from schemas.steps import Value
from schemas.window import Window
from streams.profiles import StateUnreadable
from streams.program import build
from tests.unit.stage import HOUR, Stage, checkout, event, flow, receipt, send, settle, wait
from tests.unit.test_whose_clock import evening

PERSON = Identity(external_id="ann", email="ann@example.test")


def kept(stage: Stage) -> Presence:
    return stage.partition._profiles.at(next(iter(stage.store)))


class TestWhatTheHeaderSays:
    def test_of_whom_nothing_is_known(self) -> None:
        stage = Stage(flow(wait(15), send())).event(event("product_viewed", "10:00")).restart()
        assert (kept(stage).flags, kept(stage).rest) == (0, codec.NO_REST)

    def test_of_who_is_in_a_flow_or_at_a_gate(self) -> None:
        stage = Stage(flow(wait(15), settle(), send())).event(checkout("10:00"))
        assert kept(stage.restart()).flags == ENROLLED
        stage.event(event("product_viewed", "10:20"))
        assert kept(stage.restart()).flags == ENROLLED | HELD

    def test_of_whom_a_message_was_sent_and_is_to_be_judged_again(self) -> None:
        stage = (
            Stage(flow(wait(15), send(channel="email"))).event(checkout("10:00", identity=PERSON)).pass_time("10:16")
        )
        assert kept(stage.restart()).flags == ORDERED
        stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON))
        assert kept(stage.restart()).flags == ORDERED | LOCAL | HELD

    def test_of_who_waits_for_the_hours_of_a_zone(self) -> None:
        stage = Stage(evening()).event(checkout("21:00", identity=PERSON)).pass_time("21:20").restart()
        assert kept(stage).flags == ENROLLED | LOCAL | HELD


class TestThePackedRest:
    def test_is_left_as_it_is(self) -> None:
        stage = Stage(flow(wait(15), send())).event(checkout("10:00")).restart()
        stage.event(event("product_viewed", "10:01")).event(event("product_viewed", "10:02"))
        assert not isinstance(kept(stage), Profile)
        assert len(stage.profile().enrollments) == 1
        assert stage.profile().last_active_at == stage.profile().enrollments[0].anchor_at + 120_000

    def test_gives_the_bytes_that_packing_it_anew_would(self) -> None:
        """Semantics 1.3: bytes do not depend on what was kept in memory."""
        flows = [flow(wait(15), settle(), send(channel="email")), flow(wait(600), name="b")]
        day = [event("product_viewed", f"10:{minute:02}", identity=PERSON) for minute in range(10, 40, 3)]
        stage = Stage(*flows).event(checkout("10:00", identity=PERSON))
        other = Stage(*flows).event(checkout("10:00", identity=PERSON))
        for one in day:
            stage.event(one)
            other.event(one).restart()
            assert stage.store == other.store
        key, state = next(iter(stage.store.items()))
        assert codec.pack_profile(codec.unpack_profile(state, key=key)) == state

    def test_that_cannot_be_read_is_no_records_fault(self) -> None:
        stage = Stage(flow(wait(15), send())).event(checkout("10:00"))
        key = next(iter(stage.store))
        stage.store[key] = stage.store[key].replace(b"wait", b"\xff\xff\xff\xff")
        stage.restart()
        with pytest.raises(StateUnreadable, match="the state of"):
            stage.event(checkout("10:05"))

    def test_nor_are_words_that_cannot_be_read(self) -> None:
        stage = Stage(flow(wait(15), send()), clock="live").event(checkout("10:00", checkout_id="C123456"))
        key = next(iter(stage.store))
        stage.store[key] = stage.store[key].replace(b"C123456", b"\xff" * 7)
        with pytest.raises(StateUnreadable, match="the words of a trigger"):
            stage.restart().tick("10:16")


NIGHT = QuietHours(channels=("email",), window=Window(21 * HOUR, 8 * HOUR))


def quiet(zone: str, *hours: QuietHours) -> Policy:
    return Policy(storefronts={"1": Storefront(timezone=zone)}, quiet_hours=hours)


def test_who_waits_by_the_clock_of_a_storefront_is_looked_at_as_the_policy_may_be_another_one() -> None:
    """Semantics 5.5, 8.7: at the next event after the switch, also one that nobody asks for."""
    own = flow(wait(15), replace(send(channel="email"), storefront=Value("literal", "1")))
    own = replace(own, timezone=Timezone(sources=("storefront",)))
    stage = Stage(own, policy=quiet("Europe/Berlin", NIGHT)).event(checkout("21:00", identity=PERSON))
    stage.pass_time("21:20").restart(build([own], policy=quiet("America/New_York")))
    assert stage.story[-1] == "21:15 held quiet_hours"
    assert stage.program.otherwise is None
    stage.event(event("product_viewed", "21:22", identity=PERSON)).finish()
    assert stage.sent == ["21:22 remind"]


def test_quiet_hours_are_those_of_the_country_that_any_event_has_named() -> None:
    """Semantics 5.5: also when no flow of its own asks where a person is."""
    there = replace(event("product_viewed", "10:00", identity=PERSON), context=Raw(b'{"country": "JP"}'))
    stage = Stage(flow(wait(15), send(channel="email")), policy=quiet("Europe/Berlin", NIGHT)).event(there)
    stage.event(checkout("13:00", identity=PERSON)).pass_time("13:20")  # it is 22:15 in Tokyo
    assert stage.story[-1] == "13:15 held quiet_hours"
    assert stage.decisions[-1].values["zone"] == "Asia/Tokyo"
