"""Decisions told to people: in plain sentences, and the one that answers why somebody got no message."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from agents.cli import why, why_not
from agents.projector import answers
from agents.projector.answers import Why
from agents.projector.table import row
from schemas import codec
from schemas.decision import Cause, Decision, Outcome
from schemas.identity import profile_id
from streams.telling import tell, tell_cause

RUN, OTHER_RUN = "e" * 32, "f" * 32


def decision(outcome: Outcome, reason: str, *, minute: int = 0, run: str | None = RUN, **more: Any) -> Decision:
    cause = Cause(topic="log", partition=3, offset=minute)
    return Decision(
        decision_id=f"{minute:032x}", tenant="acme", profile_id="p1", flow="cart", flow_version="v1", enrollment_id=run,
        outcome=outcome, reason=reason, decided_at=f"2026-01-01T10:{minute:02}:00.000Z", clock="live",
        **{"values": {}, "cause": cause, **more},
    )  # fmt: skip


ENTERED = decision("entered", "triggered")
HELD = decision("held", "settle", minute=15, step="remind:settle", values={"through": {"shop.orders": None}})
SENT = decision("sent", "due", minute=20, step="remind", command_id="c" * 32)
DONE = decision("ended", "done", minute=20)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (ENTERED, "entered the flow"),
        (HELD, "remind:settle: a message was held until its sources have reported (through {shop.orders nothing})"),
        (SENT, "remind: a message was ordered"),
        (decision("ended", "bought", values={"order_id": "O1", "n": 3}), "left the flow: bought (order_id O1, n 3)"),
        (decision("refused", "no_such_word"), "did not enter: no_such_word"),
    ],
)
def test_a_decision_is_a_sentence(one: Decision, expected: str) -> None:
    assert tell(one) == expected


def test_every_outcome_can_be_told() -> None:
    assert [one for one in get_args(Outcome) if tell(decision(one, "why_ever")).startswith(f"{one}: ")] == []


def test_the_cause_is_an_event_or_a_moment() -> None:
    event = decision("entered", "triggered", cause=Cause(topic="log", partition=3, offset=7, event_id="e7"))
    assert tell_cause(event) == "event e7 with record 7 of log/3"
    assert tell_cause(HELD) == "its moment, which came with record 15 of log/3"


@pytest.mark.parametrize(
    ("decisions", "verdict", "at", "times"),
    [
        (None, "unknown_person", None, 0),
        ([], "never_triggered", None, 0),
        ([decision("refused", "trigger_too_old", run=None)], "refused", 0, 1),
        ([ENTERED], "waiting", 0, 1),
        ([ENTERED, HELD], "waiting", 15, 1),
        ([ENTERED, HELD, SENT, DONE], "sent", 20, 1),
        ([ENTERED, decision("skipped", "no_address", minute=15, step="remind"), DONE], "skipped", 15, 1),
        ([ENTERED, decision("ended", "bought", minute=9)], "ended", 9, 1),
        ([ENTERED, SENT, DONE, decision("credited", "clicked", minute=30, run=None)], "sent", 20, 1),
        # The newest attempt answers: what was sent before it does not.
        ([ENTERED, SENT, DONE, decision("refused", "reentry_min_gap", minute=30, run=None)], "refused", 30, 1),
        ([ENTERED, SENT, DONE, decision("entered", "triggered", minute=31, run=OTHER_RUN)], "waiting", 31, 2),
        (
            [
                ENTERED,
                decision("ended", "bought", minute=9),
                decision("entered", "triggered", minute=31, run=OTHER_RUN),
                decision("ended", "bought", minute=40, run=OTHER_RUN),
            ],
            "ended",
            40,
            2,
        ),
    ],
)
def test_the_newest_attempt_says_why_not(
    decisions: list[Decision] | None, verdict: str, at: int | None, times: int
) -> None:
    found = answers.why_not(decisions)
    assert (found.verdict, found.times) == (verdict, times)
    assert (found.decision and found.decision.cause.offset) == at
    assert times != 1 or (found.decision is not None and found.since == found.decision.decided_at)


def test_why_not_is_answered_in_sentences() -> None:
    decisions = [ENTERED, decision("ended", "bought", minute=9, values={"order_id": "O1"})]
    lines = list(why_not.sentences(answers.why_not(decisions), profile="ann", flow="cart"))
    assert lines[0] == "ann got no message of cart. At 2026-01-01 10:09:00 UTC: left the flow: bought (order_id O1)."
    assert lines[1] == "It was caused by its moment, which came with record 9 of log/3, and decided by version v1."
    assert lines[-2].endswith("entered the flow; its moment, which came with record 0 of log/3")
    [line] = why_not.sentences(answers.why_not([]), profile="ann", flow="cart")
    assert "was never triggered" in line
    unknown = " ".join(why_not.sentences(answers.why_not(None), profile="ann", flow="cart"))
    assert "events name them otherwise" in unknown


def test_why_is_answered_in_sentences() -> None:
    found = Why(SENT, [ENTERED, HELD, SENT], ("accepted", None, "2026-01-01T10:20:01+00:00"))
    lines = list(why.sentences(found))
    assert lines[0] == "cart ordered it at 2026-01-01 10:20:00 UTC for acme/p1: remind: a message was ordered."
    assert "In the ledger it is accepted, 2026-01-01T10:20:01+00:00." in lines
    assert len(lines) == 8
    assert why.as_data(found)["fate"] == {
        "state": "accepted",
        "reason": None,
        "finished_at": "2026-01-01T10:20:01+00:00",
    }


def test_a_person_may_be_named_in_several_ways() -> None:
    assert answers.candidates("acme/p1", tenant="other") == ("acme", ["p1"])
    tenant, found = answers.candidates(" Ann@Example.com ", tenant="acme")
    assert tenant == "acme"
    assert profile_id(tenant="acme", kind="email", value="ann@example.com") in found
    assert profile_id(tenant="acme", kind="external_id", value="Ann@Example.com") in found
    assert answers.candidates("null", tenant="acme") == ("acme", [])


def test_a_row_keeps_what_a_newer_worker_says() -> None:
    value = codec.encode(SENT).removesuffix(b"}") + b',"something_new":1}'
    assert row(value, partition=1, offset=2).body == value.decode()
    with pytest.raises(codec.Undecodable):
        row(codec.encode(SENT).replace(b"2026-01-01", b"2026-13-01"), partition=1, offset=2)
