"""The verdict over a week that went through the pipeline: topics and ledger beside what `cartwheel replay` made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from agents.topic_reader import read_to_end
from schemas import codec
from schemas.command import Receipt
from schemas.decision import Decision
from tests.e2e.pipeline import Pipeline

LEDGER = "SELECT replace(command_id::text, '-', '') AS id, state, attempts FROM commands"


class Row(NamedTuple):
    """A row of the ledger."""

    command_id: str
    state: str
    attempts: int


@dataclass(kw_only=True)
class Outcome:
    """All that came of a week."""

    commands: list[bytes] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    ledger: list[Row] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)

    @classmethod
    async def of(cls, line: Pipeline) -> Outcome:
        """Read it."""
        kafka, topics = line.kafka, line.topics
        return cls(
            commands=[record.value async for record in read_to_end(kafka, topics.commands)],
            decisions=[codec.decode(record.value, Decision) async for record in read_to_end(kafka, topics.decisions)],
            ledger=[Row(row["id"], row["state"], row["attempts"]) for row in await line.query(LEDGER)],
            receipts=[codec.decode(record.value, Receipt) async for record in read_to_end(kafka, topics.receipts)],
        )


@dataclass(kw_only=True)
class Faults:
    """Ids of commands. All must be empty; that a command is on the topic twice with the same body is none."""

    missing: set[str]
    unexpected: set[str]
    wrong_time: set[str]
    two_bodies: set[str]
    not_in_ledger: set[str]
    only_in_ledger: set[str]
    twice_in_ledger: set[str]
    not_dispatched_once: set[str]
    without_receipt: set[str]
    wrong_receipt: set[str]

    def counts(self) -> dict[str, int]:
        """How many of each kind there are."""
        return {name: len(ids) for name, ids in asdict(self).items() if ids}


def judge(outcome: Outcome, *, expected: Mapping[str, str]) -> Faults:
    """Compare. `expected` has for each id the time of the decision."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    decided: dict[str, str] = {}
    for command in codec.commands_of(outcome.commands):
        bodies[command.command_id].add(codec.encode(command))
        decided[command.command_id] = command.decided_at
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in outcome.ledger:
        rows[row.command_id].append(row)
    receipts: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for receipt in outcome.receipts:
        receipts[receipt.command_id].add((receipt.receipt_id, receipt.outcome))
    return Faults(
        missing=expected.keys() - bodies.keys(),
        unexpected=bodies.keys() - expected.keys(),
        wrong_time={one for one, at in decided.items() if expected.get(one, at) != at},
        two_bodies={one for one, some in bodies.items() if len(some) > 1},
        not_in_ledger=bodies.keys() - rows.keys(),
        only_in_ledger=rows.keys() - bodies.keys(),
        twice_in_ledger={one for one, some in rows.items() if len(some) > 1},
        not_dispatched_once={one for one, some in rows.items() if any(row[1:] != ("accepted", 1) for row in some)},
        without_receipt=rows.keys() - receipts.keys(),
        wrong_receipt={one for one, some in receipts.items() if one not in rows or _outcomes(some) != ["accepted"]},
    )


def _outcomes(receipts: set[tuple[str, str]]) -> Sequence[str]:
    return [outcome for _, outcome in receipts]
