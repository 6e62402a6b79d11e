"""The same log decides the same, byte by byte, with windows, caps, consent, receipts, recalls and expired commands.

Semantics 1.3: in batches of any size, and over restarts after any unit of work.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec.structs import replace

from schemas import codec
from schemas.flow import Flow, Timezone
from schemas.identity import Identity
from schemas.instants import from_wire
from schemas.policy import CapRule, Policy, QuietHours
from schemas.steps import Cap
from schemas.window import Window
from streams.program import build
from streams.rehearsal import event_record, watermark_record
from streams.unit import Record
from tests.unit.stage import (
    HOUR,
    MINUTE,
    Stage,
    at,
    checkout,
    consent,
    flow,
    mark,
    order,
    receipt,
    send,
    settle,
    wait,
    work,
)

OUTCOMES = ("accepted", "rejected", "expired", "expired", "failed", "unknown")
PEOPLE = ("ann", "bob")
POLICY = Policy(
    name="shop",
    version="1",
    quiet_hours=(QuietHours(channels=("sms",), window=Window(18 * HOUR, 9 * HOUR)),),
    caps=(CapRule(channel="email", max=2, per_ms=5 * HOUR, when_capped="defer", expires_ms=4 * HOUR),),
)


def flows() -> list[Flow]:
    cap = Cap(group="g", max=2, per_ms=6 * HOUR, when_capped="defer", expires_ms=8 * HOUR)
    first = replace(send("first", channel="email"), window=Window(10 * HOUR, 17 * HOUR), cap=cap)
    second = replace(send("second", channel="sms"), priority=7, cap=cap)
    one = flow(
        wait(20), settle(hold=90), first, second, wait(90, label="more"), send("third", channel="email"), name="a"
    )
    two = flow(wait(30), replace(send(channel="email"), own_gate=False), name="b", exit_check="at_send")
    return [
        replace(one, key="checkout_id", timezone=Timezone(default="Europe/Berlin")),
        replace(two, key="checkout_id"),
    ]


def log_of(seed: int) -> list[Record]:
    """A day and a half of two people; receipts are of commands that a first play has made."""
    dice, records = random.Random(seed), []
    for number in range(40):
        minute = dice.randrange(36 * 60)
        records.append(_event(dice, number, minute))
    records += [watermark_record(mark(_clock(m - dice.randrange(30))), at=at(_clock(m))) for m in range(60, 2160, 45)]
    played = Stage(*flows(), policy=POLICY).append(*sorted(records, key=lambda one: one.appended_at)).finish()
    for command in played.commands:
        if "email" in command.addresses and dice.random() < 0.7:
            later = from_wire(command.decided_at) + dice.choice((1, 5, 16, 40)) * MINUTE
            told = receipt("12:00", command, dice.choice(OUTCOMES), identity=Identity(email=command.addresses["email"]))
            records.append(event_record(told, at=later))
    return sorted(records, key=lambda one: one.appended_at)


def _event(dice: random.Random, number: int, minute: int) -> Record:
    who = dice.choice(PEOPLE)
    identity = Identity(email=f"{who}@example.test", phone="+12025550100" if who == "ann" else None)
    time = _clock(max(0, minute - dice.choice((0, 0, 0, 50))))
    more: dict[str, Any] = {"identity": identity, "id": f"e{number}"}
    kinds: list[Any] = [
        lambda: checkout(time, checkout_id=f"C{number}", **more),
        lambda: checkout(time, checkout_id=f"C{dice.randrange(4)}", **more),
        lambda: order(time, order_id=str(number), **more),
        lambda: consent(time, dice.choice(("email", "sms")), dice.choice(("granted", "granted", "withdrawn")), **more),
    ]
    return event_record(dice.choices(kinds, weights=(6, 3, 1, 2))[0](), at=at(_clock(minute)))


def _clock(minute: int) -> str:
    return f"+{minute // 1440} {minute // 60 % 24:02}:{minute % 60:02}"


def outputs(
    records: list[Record], *, batch: int, restart_every: int = 0
) -> tuple[list[Any], list[Any], dict[bytes, bytes]]:
    stage = Stage(policy=POLICY)
    stage.program = build(flows(), policy=POLICY)
    stage.partition = stage._partition(None)
    numbered = [replace(record, offset=offset) for offset, record in enumerate(records)]
    for start in range(0, len(numbered), batch):
        unit = work(stage.partition, numbered[start : start + batch])
        stage.outputs.append(unit)
        stage.store.update(unit.states)
        stage.record = unit.partition_record
        if restart_every and start // batch % restart_every == 0:
            stage.restart()
    commands = [pair for one in stage.outputs for pair in one.commands]
    return commands, [pair for one in stage.outputs for pair in one.decisions], stage.store


@pytest.mark.parametrize("seed", range(12))
def test_batches_and_restarts_change_nothing(seed: int) -> None:
    records = log_of(seed)
    whole = outputs(records, batch=len(records))
    assert outputs(records, batch=1) == whole
    assert outputs(records, batch=7) == whole
    assert outputs(records, batch=3, restart_every=1 + seed % 3) == whole
    ids = [one.command_id for one in codec.commands_of(value for _, value in whole[0])]
    assert len(ids) == len(set(ids))


def test_the_logs_hold_everything_that_may_go_wrong() -> None:
    said = {(one.outcome, one.reason.partition(":")[0]) for seed in range(12) for one in _decisions(log_of(seed))}
    assert said >= {
        ("held", "window"), ("held", "quiet_hours"), ("held", "cap"), ("held", "settle"), ("recalled", "bought"),
        ("skipped", "no_consent"), ("skipped", "no_address"), ("skipped", "cap_expired"), ("sent", "due"),
    }  # fmt: skip


def _decisions(records: list[Record]) -> list[Any]:
    return Stage(*flows(), policy=POLICY).append(*records).decisions
