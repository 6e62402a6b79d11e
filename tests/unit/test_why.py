"""Decisions told to people: in plain sentences, and the one that answers why somebody got no message."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from agents.cli import why, why_not
from agents.projector import answers
from agents.projector.answers import Why
from agents.projector.table import row
from schemas import codec
from schemas.decision import Cause, Decision, Outcome
from schemas.event import Event
from schemas.identity import profile_id
from streams.flowfile import load, load_timelines
from streams.rehearsal import Rehearsal
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
HELD = decision("held", "settle", minute=15, step="remind:settle", values={"complete_through": {"shop.orders": None}})
SENT = decision("sent", "due", minute=20, step="remind", command_id="c" * 32)
DONE = decision("ended", "done", minute=20)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (ENTERED, "entered the flow"),
        (HELD, "remind:settle: a message was held until its sources have reported (shop.orders has not reported yet)"),
        (SENT, "remind: a message was ordered"),
        (decision("ended", "bought", values={"order_id": "O1", "n": 3}), "left the flow: bought (order_id O1, n 3)"),
        (decision("refused", "no_such_word"), "did not enter: no_such_word"),
        (decision("held", "quiet_hours"), "a message was held until quiet hours are over"),
        (decision("skipped", "no_consent:sms"), "a message was not sent: there is no consent to sms"),
        (decision("ended", "over:now"), "left the flow: over:now"),
    ],
)
def test_a_decision_is_a_sentence(one: Decision, expected: str) -> None:
    assert tell(one) == expected


#: Every reason that the engine itself gives, beside those that flow files name.
REASONS = (
    "entered triggered", "entered backfilled", "refused anonymous", "refused key_missing", "refused key_too_long",
    "refused filter_false", "refused draining", "refused reentry_never", "refused reentry_min_gap",
    "refused reentry_max", "refused trigger_too_old", "refused too_many_enrollments", "refused state_full",
    "refused no_such_flow", "refused where_false", "refused enter_flow_depth", "restarted restart",
    "restarted replace_context", "restarted extend", "moved migration", "sent due", "sent degraded", "stated set",
    "held settle", "held poison", "held window", "held quiet_hours", "held cap", "skipped settle_timeout",
    "skipped filter_false", "skipped too_late", "skipped no_consent:sms", "skipped suppressed:email",
    "skipped stale_fact:coupons", "skipped window_never_opens", "skipped quiet_hours_never_opens",
    "skipped capped:reminders", "skipped cap_expired:reminders", "skipped no_address", "ended superseded",
    "skipped stopped", "ended holdout", "ended date_missing", "ended date_past", "ended done", "ended step_removed",
    "ended stopped",
    "recalled no_consent:email", "recalled suppressed:email", "recalled filter_false", "regretted filter_false",
    "credited clicked",
)  # fmt: skip


@pytest.mark.parametrize("said", REASONS)
def test_no_reason_of_the_engine_is_told_as_a_code(said: str) -> None:
    outcome, _, reason = said.partition(" ")
    known, _, about = reason.partition(":")
    told = tell(decision(msgspec.convert(outcome, Outcome), reason))
    assert ("_" in known and known in told, ":" in reason and reason in told) == (False, False), told
    assert about in told
    assert not told.endswith(f": {reason}"), told


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (
            decision("held", "window", step="remind", values={
                "opens_at": "2026-07-01T09:00:00.000Z", "zone": "Europe/Berlin", "zone_from": "phone",
            }),
            "remind: a message was held until its window opens (opens 2026-07-01 09:00:00 UTC); zone Europe/Berlin of"
            " their phone or country",
        ),
        (
            decision("skipped", "capped:reminders", step="remind", values={
                "max": 2, "per_seconds": 604800.0, "room_at": "2026-07-01T09:00:00.000Z",
            }),
            "remind: a message was not sent: they have had as many as the cap on reminders allows (max 2, in 7d, room"
            " again 2026-07-01 09:00:00 UTC)",
        ),
        (
            decision("exposed", "b", step="ab", values={"salt": "f/ab", "by": "profile", "weights": {"a": 1, "b": 2}}),
            "ab: came to the arm b of a split (weights {a 1, b 2})",
        ),
        (
            decision("ended", "too_small", values={"if_1": {"way": "otherwise", "total": None}}),
            "left the flow: too_small (if_1 went otherwise, as total nothing)",
        ),
        (
            decision("sent", "due", values={"zone": {"way": "then", "total": None}}),
            "a message was ordered (zone went then, as total nothing)",
        ),
        (decision("ended", "done", ignored=2), "went through the flow to its end; 2 more triggers meanwhile changed"
            " nothing"),
        (decision("sent", "due", shadow=True), "a message was ordered; the flow is in shadow, so nothing came of it"),
        (decision("recalled", "no_consent:sms"), "a message was taken back: there is no consent to sms"),
    ],
)  # fmt: skip
def test_values_zone_and_circumstances_are_told_in_words(one: Decision, expected: str) -> None:
    assert tell(one) == expected


def test_every_outcome_can_be_told() -> None:
    assert [one for one in get_args(Outcome) if tell(decision(one, "why_ever")).startswith(f"{one}: ")] == []


def test_the_cause_is_an_event_a_moment_or_an_order() -> None:
    event = decision("entered", "triggered", cause=Cause(topic="log", partition=3, offset=7, event_id="e7"))
    assert tell_cause(event) == "event e7 with record 7 of log/3"
    assert tell_cause(HELD) == "its moment, which came with record 15 of log/3"
    for one in (decision("moved", "migration"), decision("entered", "backfilled")):
        assert tell_cause(one) == "an order of `cartwheel flows`, which came with record 0 of log/3"


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
        # Two messages of one enrollment are two things said, not one said twice.
        ([ENTERED, SENT, decision("sent", "due", minute=40, step="again"), DONE], "sent", 40, 1),
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
    line, _ = why_not.sentences(answers.why_not([]), profile="ann", flow="cart")
    assert "was never triggered" in line
    unknown = " ".join(why_not.sentences(answers.why_not(None), profile="ann", flow="cart"))
    assert "events name them otherwise" in unknown


def test_why_is_answered_in_sentences() -> None:
    found = Why(SENT, [ENTERED, HELD, SENT], ("accepted", None, "2026-01-01T10:20:01Z"))
    lines = list(why.sentences(found))
    assert lines[0] == "cart ordered it at 2026-01-01 10:20:00 UTC for acme/p1: remind: a message was ordered."
    assert "In the ledger it is accepted, since 2026-01-01 10:20:01 UTC." in lines
    assert len(lines) == 8
    assert why.as_data(found)["fate"] == {
        "state": "accepted",
        "reason": None,
        "finished_at": "2026-01-01T10:20:01Z",
    }


def test_a_message_that_was_taken_back_or_a_mistake_is_told_with_its_order_and_its_arms() -> None:
    ordered = decision("sent", "due", minute=20, step="remind", command_id="c" * 32, arms={"ab": "b"})
    back = decision("recalled", "bought", minute=21, step="remind", command_id="c" * 32)
    lines = list(why.sentences(Why(ordered, [ENTERED, ordered, back], None, [back])))
    assert "In experiments they were in arm b of ab." in lines
    assert (
        "At 2026-01-01 10:21:00 UTC: remind: a message was taken back: bought; by its moment, which came with"
        in (lines[4])
    )
    mistaken = decision("regretted", "bought", minute=40, step="remind", command_id="c" * 32)
    found = answers.why_not([ENTERED, ordered, mistaken])
    lines = list(why_not.sentences(found, profile="ann", flow="cart"))
    assert found.verdict == "sent"
    assert any(
        "10:40:00 UTC: remind: a message that had gone should not have been sent: bought" in line for line in lines
    )


def test_who_is_refused_while_in_the_flow_is_told_that_they_are_in_it() -> None:
    """A filter is asked before the question whether somebody is enrolled (semantics 3.1)."""
    refused = decision("refused", "filter_false", minute=5, run=None)
    found = answers.why_not([ENTERED, refused])
    assert (found.verdict, found.inside) == ("refused", ENTERED)
    assert any("in cart all the same, since 2026-01-01 10:00" in line
               for line in why_not.sentences(found, profile="ann", flow="cart"))  # fmt: skip
    assert answers.why_not([ENTERED, DONE, refused]).inside is None


KEYED = """
flow: cart
entry: { trigger: { event: checkout_started }, key: trigger.checkout_id, reentry: always }
exit: [{ when: { event: order_placed, match: { checkout_id: trigger.checkout_id } }, reason: bought_this }]
steps: [{ wait: { for: 1h } }, { label: remind, send: { template: t, channel: log } }]
"""


@pytest.mark.parametrize(
    ("second", "arrives", "later"), [("10:20", "10:30", ("ended", "10:30")), ("12:00", "12:10", ("regretted", "12:10"))]
)
def test_a_second_checkout_answers_though_the_first_is_bought(
    second: str, arrives: str, later: tuple[str, str]
) -> None:
    flow = load(KEYED, name="f.yaml")
    day = f"""
- name: two
  timeline:
    - {{ at: "10:00", checkout_started: {{ profile: p1, checkout_id: C1 }} }}
    - {{ at: "{second}", checkout_started: {{ profile: p1, checkout_id: C2 }} }}
    - {{ at: "10:30", arrives: "{arrives}", order_placed: {{ profile: p1, checkout_id: C1, order_id: O1 }} }}
  expect: [{{ sends: 0 }}]
"""
    [two] = load_timelines(day, name="f.test.yaml", flow=flow)
    rehearsal = Rehearsal([flow])
    for happening in two.happenings:
        assert isinstance(happening.what, Event)
        rehearsal.event(happening.what, at=happening.at)
    found = answers.why_not(rehearsal.decisions)
    assert (found.verdict, found.decision and found.decision.decided_at[11:16]) == ("waiting", second)
    [other] = found.others
    assert [(one.outcome, one.decided_at[11:16]) for one in other.decisions] == [later]


#: C1 of a keyed flow ran first, and C2 is the newest attempt.
C2 = decision("entered", "triggered", minute=31, run=OTHER_RUN)
BOUGHT = decision("ended", "bought", minute=40)
ORDERED = decision("sent", "due", minute=20, step="remind", command_id="c" * 32)
REGRETTED = decision("regretted", "bought", minute=40, step="remind", command_id="c" * 32)
RECALLED = decision("recalled", "bought", minute=40, step="remind", command_id="c" * 32)
MOVED = decision("moved", "migration", minute=40)
EARNED = decision("credited", "clicked", minute=40, run=None, values={"command_id": "c" * 32})


@pytest.mark.parametrize(
    ("decisions", "others"),
    [
        ([ENTERED, C2, BOUGHT], [(False, [BOUGHT])]),
        ([ENTERED, ORDERED, DONE, C2, REGRETTED], [(False, [REGRETTED])]),
        ([ENTERED, ORDERED, DONE, C2, RECALLED], [(False, [RECALLED])]),
        ([ENTERED, C2, MOVED], [(True, [])]),
        ([ENTERED, ORDERED, DONE, C2, EARNED], []),
        # What had come of a run before is told only while it goes on.
        ([ENTERED, ORDERED, C2], [(True, [ORDERED])]),
        ([ENTERED, ORDERED, DONE, C2], []),
        # A message goes after the newest trigger has come, and is told beside the end.
        ([ENTERED, C2, decision("sent", "due", minute=50), decision("ended", "done", minute=50)],
         [(False, [decision("sent", "due", minute=50), decision("ended", "done", minute=50)])]),
        # Nobody says how an earlier run began: that day may have been dropped.
        ([C2, REGRETTED], [(False, [REGRETTED])]),
    ],
)  # fmt: skip
def test_what_comes_of_an_earlier_run_does_not_hide_the_newest_attempt(
    decisions: list[Decision], others: list[tuple[bool, list[Decision]]]
) -> None:
    found = answers.why_not(decisions)
    assert (found.verdict, found.decision, found.story) == ("waiting", C2, [C2])
    assert [(one.live, one.decisions) for one in found.others] == others


def test_of_other_runs_it_is_said_what_became_of_them() -> None:
    values = {"opens_at": "2026-01-01T18:00:00.000Z"}
    waits = decision("held", "window", minute=32, step="remind", values=values)
    found = answers.why_not([ENTERED, C2, waits, decision("ended", "bought", minute=41, run=OTHER_RUN)])
    lines = list(why_not.sentences(found, profile="ann", flow="cart"))
    assert found.verdict == "ended"
    assert (
        "They are in cart besides, since 2026-01-01 10:00:00 UTC by its moment, which came with record 0 of log/3, and"
        " may get a message yet. At 2026-01-01 10:32:00 UTC: remind: a message was held until its window opens (opens"
        " 2026-01-01 18:00:00 UTC)."
    ) in lines
    expected = {"begun": msgspec.to_builtins(ENTERED), "live": True, "decisions": [msgspec.to_builtins(waits)]}
    assert why_not.as_data(found, profile="ann", flow="cart")["others"] == [expected]

    lines = list(why_not.sentences(answers.why_not([ENTERED, C2, BOUGHT]), profile="ann", flow="cart"))
    assert lines[0] == "ann is in cart now. At 2026-01-01 10:31:00 UTC: entered the flow."
    assert (
        "A later decision was about an earlier enrollment, begun at 2026-01-01 10:00:00 UTC by its moment, which came"
        " with record 0 of log/3: at 2026-01-01 10:40:00 UTC: left the flow: bought."
    ) in lines
    often = [decision("sent", "due", minute=41 + step, step=f"s{step}") for step in range(9)]
    [line] = [line for line in why_not.sentences(answers.why_not([ENTERED, *often, C2]), profile="ann", flow="cart")
              if "besides" in line]  # fmt: skip
    assert [f"s{step}: " in line for step in range(9)] == [False] * 4 + [True] * 5
    lost = list(why_not.sentences(answers.why_not([C2, BOUGHT]), profile="ann", flow="cart"))
    assert any(
        line.startswith("A later decision was about an earlier enrollment: at 2026-01-01 10:40") for line in lost
    )


def test_who_got_a_message_of_an_earlier_run_is_not_said_to_have_got_none() -> None:
    refused = decision("refused", "filter_false", minute=5, run=None)
    found = answers.why_not([ENTERED, refused, ORDERED, DONE])
    [first, *rest] = why_not.sentences(found, profile="ann", flow="cart")
    assert found.verdict == "refused"
    assert first.startswith("ann got no message of cart for the newest trigger. At 2026-01-01 10:05:00 UTC: did not")
    assert any("at 2026-01-01 10:20:00 UTC: remind: a message was ordered; at" in line for line in rest)


@pytest.mark.parametrize(
    ("policy", "verdict", "at"), [("restart", "ended", 40), ("replace_context", "ended", 40), ("extend", "sent", 20)]
)
def test_a_run_begun_anew_is_judged_by_what_came_after(policy: str, verdict: str, at: int) -> None:
    """`extend` begins no new visit: the messages of the run stay those that they were (semantics 3.5)."""
    found = answers.why_not([ENTERED, ORDERED, decision("restarted", policy, minute=30), BOUGHT])
    assert (found.verdict, found.decision and found.decision.cause.offset, len(found.story)) == (verdict, at, 4)
    anew = [ENTERED, ORDERED, decision("restarted", "restart", minute=30)]
    assert [answers.why_not([*anew, one]).verdict for one in (RECALLED, REGRETTED)] == ["waiting"] * 2


def test_a_run_that_another_trigger_began_anew_is_the_newest_attempt() -> None:
    again = decision("restarted", "restart", minute=45)
    found = answers.why_not([ENTERED, C2, again])
    assert (found.verdict, found.decision, [one.begun for one in found.others]) == ("waiting", again, [C2])


def test_a_refusal_answers_where_it_met_a_run_and_not_where_a_step_was_refused() -> None:
    late = decision("refused", "trigger_too_old", minute=5)
    found = answers.why_not([ENTERED, late])
    assert (found.verdict, found.decision, found.inside) == ("refused", late, ENTERED)
    held = decision("held", "window", minute=4, step="remind")
    assert [one.decisions for one in answers.why_not([ENTERED, held, late]).others] == [[held]]
    offer = decision("refused", "no_such_flow", minute=5, step="hand_on")
    assert answers.why_not([ENTERED, offer]).verdict == "waiting"


def test_without_a_known_attempt_the_newest_decision_about_a_run_answers() -> None:
    """Days of decisions are dropped from the oldest on."""
    held = decision("held", "window", minute=32, step="remind", run=OTHER_RUN)
    found = answers.why_not([held, REGRETTED])
    assert (found.verdict, found.decision) == ("waiting", held)
    own = decision("held", "window", minute=32, step="remind")
    assert answers.why_not([own, REGRETTED]).decision == own
    assert answers.why_not([RECALLED]).verdict == "recalled"
    assert answers.why_not([ORDERED, DONE, REGRETTED]).verdict == "sent"


def test_a_flow_in_shadow_has_sent_nobody_anything() -> None:
    found = answers.why_not([ENTERED, decision("sent", "due", minute=20, step="remind", shadow=True), DONE])
    assert found.verdict == "shadow"
    [first, *_] = why_not.sentences(found, profile="ann", flow="cart")
    assert first.startswith("ann got no message of cart, which is in shadow")
    shown = [decision("entered", "triggered", run=run, shadow=True) for run in (RUN, OTHER_RUN)]
    lines = list(why_not.sentences(answers.why_not(shown), profile="ann", flow="cart"))
    assert "They are in cart besides, since 2026-01-01 10:00:00 UTC by its moment" in lines[-1]
    assert "may get" not in lines[-1]


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
