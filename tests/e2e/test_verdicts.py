"""The verdicts of the end-to-end tests can fail: each is shown results in which one thing is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace as changed

from schemas import codec
from schemas.control import TICK_KEY
from schemas.decision import Cause
from schemas.examples import COMMANDS, DECISIONS, RECEIPTS
from schemas.limits import MARKETING_VALID_MS
from tests.data.lines import ORDER_PLACED, wire
from tests.e2e import live_flows
from tests.e2e.live_verdict import Record, Recorded
from tests.e2e.live_verdict import judge as judge_live
from tests.e2e.loader import CHECKOUT, event
from tests.e2e.week_verdict import Outcome, Row, judge
from tests.oracle.records import instant
from tests.oracle.replay import run_live

EXAMPLE, RECEIPT = COMMANDS[0], RECEIPTS[0]
IDS = [f"{number:032x}" for number in range(3)]
EXPECTED = dict.fromkeys(IDS, EXAMPLE.decided_at)

# -- a week


def _made(command_id: str, **changes: Any) -> bytes:
    return codec.encode(changed(EXAMPLE, command_id=command_id, **changes))


def _outcome() -> Outcome:
    return Outcome(
        commands=[_made(one) for one in IDS],
        ledger=[Row(one, "accepted", 1) for one in IDS],
        receipts=[changed(RECEIPT, command_id=one, receipt_id=one, outcome="accepted") for one in IDS],
    )


def _lost_on_topic(outcome: Outcome) -> None:
    outcome.commands.pop()


def _with_two_bodies(outcome: Outcome) -> None:
    outcome.commands.append(_made(IDS[0], priority=1))


def _decided_otherwise(outcome: Outcome) -> None:
    outcome.commands[0] = _made(IDS[0], decided_at="2026-11-21T10:00:00.001Z")


def _lost_in_ledger(outcome: Outcome) -> None:
    outcome.ledger.pop()


def _twice_in_ledger(outcome: Outcome) -> None:
    outcome.ledger.append(outcome.ledger[0])


def _sent_twice(outcome: Outcome) -> None:
    outcome.ledger[0] = outcome.ledger[0]._replace(attempts=2)


def _never_answered(outcome: Outcome) -> None:
    outcome.receipts.pop()


def _answered_twice(outcome: Outcome) -> None:
    outcome.receipts.append(changed(outcome.receipts[0], receipt_id="f" * 32, outcome="failed"))


def test_a_repeated_command_and_a_repeated_receipt_are_no_fault() -> None:
    outcome = _outcome()
    outcome.commands *= 2
    outcome.receipts *= 2
    assert judge(outcome, expected=EXPECTED).counts() == {}


@pytest.mark.parametrize(
    ("doctor", "faults"),
    [
        (_lost_on_topic, {"missing": 1, "only_in_ledger": 1}),
        (_with_two_bodies, {"two_bodies": 1}),
        (_decided_otherwise, {"wrong_time": 1}),
        (_lost_in_ledger, {"not_in_ledger": 1, "wrong_receipt": 1}),
        (_twice_in_ledger, {"twice_in_ledger": 1}),
        (_sent_twice, {"not_dispatched_once": 1}),
        (_never_answered, {"without_receipt": 1}),
        (_answered_twice, {"wrong_receipt": 1}),
    ],
)
def test_the_verdict_over_a_week_sees_what_is_wrong(doctor: Callable[[Outcome], None], faults: dict[str, int]) -> None:
    outcome = _outcome()
    doctor(outcome)
    assert judge(outcome, expected=EXPECTED).counts() == faults


# -- an open shop

FLOWS = [flow for flow in live_flows.oracle() if flow.name == "checkout_1h"]
WAIT_MS = FLOWS[0].steps[0].wait_ms
OPENED = instant("2026-11-21T10:00:00.000Z")
DUE = OPENED + WAIT_MS
TICKED = DUE + 300
THROUGH = TICKED - 100


def _record(at: int, offset: int, value: Any, *, key: bytes | None = b"shop/x") -> Record:
    return Record(0, offset, at, key, json.dumps(value).encode())


def _recorded() -> Recorded:
    """Two check out, one of them buys, a tick releases the other."""
    events = [
        event(CHECKOUT, "v1", at=OPENED, dedupe_key="hit:1"),
        event(CHECKOUT, "v2", at=OPENED, dedupe_key="hit:2"),
        event(ORDER_PLACED, "v2", at=OPENED + 1_000, dedupe_key="order:2"),
    ]
    raw = [_record(OPENED + 1_500, offset, one) for offset, one in enumerate(events)]
    log = [*raw, _record(TICKED, 3, {"through": wire(THROUGH)}, key=TICK_KEY)]
    (due,) = run_live(
        FLOWS, [(r.offset, r.appended_at, "event" if r in raw else "tick", r.value) for r in log]
    ).commands
    command = changed(
        EXAMPLE,
        **{name: value for name, value in due._asdict().items() if name != "decided_at"},
        decided_at=wire(TICKED),
        not_after=wire(TICKED + MARKETING_VALID_MS),
    )
    cause = Cause(topic="log", partition=0, offset=3)
    return Recorded(
        raw=raw,
        log=log,
        commands=[command],
        decisions=[changed(DECISIONS[0], outcome="sent", command_id=due.command_id, cause=cause)],
    )


def _decided(recorded: Recorded, *, at: int) -> None:
    times = {"decided_at": wire(at), "not_after": wire(at + MARKETING_VALID_MS)}
    recorded.commands[0] = changed(recorded.commands[0], **times)


def _bought(recorded: Recorded, *, at: int) -> None:
    """The one who was reminded had an order in the raw topic, and intake has not brought it."""
    order = event(ORDER_PLACED, "v1", at=OPENED + 1, dedupe_key="order:1")
    recorded.raw.append(_record(at, 3, order))


LIVE_FAULTS: list[tuple[Callable[[Recorded], Any], dict[str, int]]] = [
    (lambda one: one.commands.clear(), {"missing": 1}),
    (lambda one: one.log.pop(2), {"missing": 1, "lost": 1}),
    (lambda one: one.commands.append(changed(one.commands[0], priority=1)), {"two_bodies": 1}),
    (lambda one: _decided(one, at=TICKED + 1), {"wrong": 1}),
    (lambda one: _decided(one, at=DUE - 1), {"wrong": 1, "early": 1}),
    (lambda one: one.commands.append(changed(one.commands.pop(), not_after=wire(TICKED))), {"wrong_not_after": 1}),
    (lambda one: _bought(one, at=THROUGH), {"lost": 1, "overtaking": 1, "racing": 1}),
    (lambda one: _bought(one, at=THROUGH + 1), {"lost": 1, "racing": 1}),
    (lambda one: _bought(one, at=TICKED), {"lost": 1}),
]


def test_a_repeated_command_is_no_fault_of_an_open_shop_either() -> None:
    recorded = _recorded()
    recorded.commands *= 2
    verdict = judge_live(recorded, FLOWS)
    assert (verdict.faults(), verdict.repeated, verdict.kept_back) == ({}, 1, 1)


@pytest.mark.parametrize(("doctor", "faults"), LIVE_FAULTS)
def test_the_verdict_over_an_open_shop_sees_what_is_wrong(
    doctor: Callable[[Recorded], Any], faults: dict[str, int]
) -> None:
    recorded = _recorded()
    doctor(recorded)
    verdict = judge_live(recorded, FLOWS)
    assert verdict.faults() | ({"racing": verdict.racing} if verdict.racing else {}) == faults
