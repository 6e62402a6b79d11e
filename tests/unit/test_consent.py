"""Consent and suppression: what has been said, in whatever order it came, and what it does to messages.

Semantics 8.4 and 8.5.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.identity import Identity
from schemas.policy import Policy
from schemas.steps import Value
from tests.unit.stage import Stage, checkout, consent, event, flow, receipt, send, wait

PERSON = Identity(external_id="ann", email="ann@example.test", phone="+12025550100")
REQUIRED = Policy(consent="required")


@pytest.mark.parametrize("policy", [Policy(), REQUIRED])
@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ([], None),
        ([("09:00", "email", "granted", None)], True),
        ([("09:00", "email", "granted", None), ("09:01", "email", "withdrawn", None)], False),
        ([("09:01", "email", "withdrawn", None), ("09:00", "email", "granted", None)], False),
        ([("09:00", "email", "granted", None), ("09:00", "email", "withdrawn", None)], False),
        ([("09:00", "email", "withdrawn", None), ("09:01", "email", "granted", None)], True),
        ([("09:00", "email", "granted", None), ("09:01", "email", "withdrawn", "2")], False),
        ([("09:00", "email", "granted", None), ("09:01", "email", "withdrawn", "3")], True),
        ([("09:00", "email", "granted", "3")], None),
        ([("09:00", "email", "granted", "2"), ("09:01", "email", "withdrawn", None)], False),
        ([("09:00", "sms", "granted", None)], None),
        ([("09:00", "email", "granted", None), ("09:01", "", "withdrawn", None)], False),
        ([("09:00", "email", "granted", None), ("09:01", "", "withdrawn", "2")], False),
        ([("09:00", "email", "granted", None), ("09:01", "", "withdrawn", "3")], True),
        ([("09:00", "", "granted", None)], None),
    ],
)
def test_the_latest_act_counts(acts: list[Any], expected: bool | None, policy: Policy) -> None:
    made = replace(flow(wait(15), send(channel="email")), storefront=Value("literal", "2"))
    stage = Stage(made, policy=policy).event(checkout("09:05", identity=PERSON))
    for time, channel, status, storefront in acts:
        more = {"storefront": storefront} if storefront else {}
        stage.event(consent(time, channel, status, identity=PERSON, **more), "09:06")
    stage.finish()
    goes = policy.consent != "required" if expected is None else expected
    assert stage.sent == (["09:20 remind"] if goes else [])
    assert ("09:20 skipped no_consent:email" in stage.story) == (not goes)
    if goes and expected:
        [command] = stage.commands
        assert command.consent is not None
        assert command.consent.source == "shop.site"
        assert command.consent.event_id in {one.event_id for one in stage.profile().known().consents.values()}


def test_who_unsubscribes_from_everything_withdraws_and_from_a_list_does_not() -> None:
    made = flow(wait(15), send(channel="email"))
    cases: list[tuple[dict[str, Any], list[str]]] = [({}, []), ({"list_id": "news"}, ["09:20 remind"])]
    for words, sent in cases:
        stage = Stage(made).event(checkout("09:05", identity=PERSON))
        assert stage.event(event("list_unsubscribed", "09:06", identity=PERSON, **words)).finish().sent == sent


def test_suppression_holds_for_everything_until_somebody_agrees_again() -> None:
    """Semantics 8.5, 8.9."""
    made = flow(wait(15), replace(send(channel="email"), message_class="transactional"))
    stage = Stage(made).event(consent("08:00", "email", "suppressed", identity=PERSON))
    assert stage.event(checkout("09:00", identity=PERSON)).finish().story[1] == "09:15 skipped suppressed:email"
    again = Stage(made).event(consent("08:30", "email", "granted", identity=PERSON))
    again.event(consent("08:00", "email", "suppressed", identity=PERSON), "08:40")
    assert again.event(checkout("09:00", identity=PERSON)).finish().sent == ["09:15 remind"]


@pytest.mark.parametrize(("agreed_for", "sent"), [(None, ["09:15 remind"]), ("2", ["09:15 remind"]), ("3", [])])
def test_who_agrees_again_for_a_storefront_hears_of_it_alone(agreed_for: str | None, sent: list[str]) -> None:
    """Semantics 8.5."""
    made = replace(flow(wait(15), send(channel="email")), storefront=Value("literal", "2"))
    stage = Stage(made).event(consent("08:00", "email", "suppressed", identity=PERSON))
    more = {"storefront": agreed_for} if agreed_for else {}
    stage.event(consent("08:30", "email", "granted", identity=PERSON, **more))
    assert stage.event(checkout("09:00", identity=PERSON)).finish().sent == sent


def test_a_message_stays_of_the_storefront_that_it_was_ordered_for() -> None:
    """Semantics 7.3, 9.5: a fact that changes afterwards says nothing about it."""
    step = replace(send(channel="email"), storefront=Value("fact", "shop"))
    stage = Stage(flow(wait(15), step), policy=Policy(facts={"shop": "text"}))
    stage.event(event("profile_updated", "09:00", identity=PERSON, shop="1"))
    stage.event(consent("09:01", "email", "withdrawn", identity=PERSON, storefront="2"))
    stage.event(checkout("10:00", identity=PERSON)).pass_time("10:16")
    stage.event(event("profile_updated", "10:16", identity=PERSON, shop="2"))
    assert (stage.commands[0].storefront, stage.recalls) == ("1", [])
    stage.event(consent("10:17", "email", "withdrawn", identity=PERSON, storefront="1"))
    assert [one.reason for one in stage.recalls] == ["no_consent:email"]


def test_one_that_is_to_be_ordered_anew_is_of_the_storefront_of_then() -> None:
    """Semantics 9.6."""
    step = replace(send(channel="email"), storefront=Value("fact", "shop"))
    stage = Stage(flow(wait(15), step), policy=Policy(facts={"shop": "text"}))
    stage.event(event("profile_updated", "09:00", identity=PERSON, shop="1"))
    stage.event(checkout("10:00", identity=PERSON)).pass_time("10:16")
    stage.event(receipt("10:31", stage.commands[0], "expired", identity=PERSON))
    stage.event(event("profile_updated", "10:31", identity=PERSON, shop="2"))
    stage.event(consent("10:31", "email", "withdrawn", identity=PERSON, storefront="1")).finish()
    assert [one.storefront for one in stage.commands] == ["1", "2"]


def test_a_hard_bounce_suppresses_the_channel() -> None:
    made = flow(wait(15), send("first", channel="email"), wait(60, label="more"), send("second", channel="email"))
    stage = Stage(made).event(checkout("09:00", identity=PERSON)).pass_time("09:16")
    bounce = receipt("09:17", stage.commands[0], "rejected", reason="hard_bounce", identity=PERSON)
    assert stage.event(bounce).finish().story[-2:] == ["10:15 skipped suppressed:email", "10:15 ended done"]


@pytest.mark.parametrize(
    ("channel", "sent"), [("email", []), ("sms", ["+9 09:15 remind"]), ("log", ["+9 09:15 remind"])]
)
def test_a_complaint_about_a_message_that_is_forgotten_suppresses_the_channel_it_names(
    channel: str, sent: list[str]
) -> None:
    """Semantics 8.5."""
    stage = Stage(flow(wait(15), send(channel="email"))).event(checkout("09:00", identity=PERSON)).pass_time("09:16")
    first = stage.commands[0]
    stage.event(checkout("+4 09:00", identity=PERSON)).pass_time("+4 09:16")  # of which only the second is remembered
    stage.event(receipt("+5 09:00", first, "rejected", reason="complaint", channel=channel, identity=PERSON))
    assert stage.tallies["receipt", "not_matched"] == 1
    stage.event(checkout("+9 09:00", identity=PERSON)).finish()
    assert stage.sent == ["09:15 remind", "+4 09:15 remind", *sent]


def test_what_is_unclear_is_counted() -> None:
    stage = Stage(flow()).event(consent("09:00", "email", "maybe")).event(consent("09:01", "", "granted"))
    stage.event(consent("09:02", "e-mail", "withdrawn"))
    assert stage.tallies["event", "consent_unclear"] == 3
    assert stage.profile().dossier is None


def test_a_no_is_a_no_however_it_is_written() -> None:
    """Semantics 8.4."""
    made = flow(wait(15), send(channel="email"))
    stage = Stage(made).event(checkout("09:00", identity=PERSON))
    stage.event(consent("09:05", " EMAIL", "Withdrawn ", identity=PERSON)).finish()
    assert stage.story[-2:] == ["09:15 skipped no_consent:email", "09:15 ended done"]
