"""The verdicts of the end-to-end tests can fail: each is shown results in which one thing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace as changed

from schemas import codec
from schemas.examples import COMMANDS, RECEIPTS
from tests.e2e.week_verdict import Outcome, Row, judge

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
