"""What came of events, by the broker's clock: when each was appended, decided upon and answered with a command.

The broker's append time is when a consumer can have it, as there is one replica; it shares the driver's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from agents.topic_reader import read_to_end
from benchmarks.stage import Stage, Wrong
from schemas import codec
from schemas.command import Command
from schemas.control import TICK_KEY
from schemas.decision import Decision
from schemas.instants import from_wire

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
EXAMPLES_MAX = 3

Place = tuple[int, int]  # partition, offset


@dataclass(slots=True, kw_only=True)
class Answer:
    """One checkout on its way to a message; instants in milliseconds. `meant_at`: when it was to leave the driver."""

    key: bytes
    meant_at: int
    event: Place
    decided_at: int
    appended_at: int = -1
    tick_at: int = -1
    command_at: int = -1


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, in milliseconds."""

    count: int
    percentiles: dict[str, float]

    @classmethod
    def of(cls, latencies: Sequence[int]) -> Latency:
        """Of at least one."""
        ordered = sorted(latencies)
        last = len(ordered) - 1
        return cls(
            count=len(ordered),
            percentiles={name: float(ordered[round(share * last)]) for name, share in PERCENTILES.items()},
        )

    def __getitem__(self, name: str) -> float:
        return self.percentiles[name]


async def read(stage: Stage) -> list[Answer]:
    """Every checkout that enrolled somebody, with its one command. Raises Wrong if a command lacks or is one too many.

    Who is enrolled when the next checkout comes is not enrolled again, so not every checkout is an answer.
    """
    answers: dict[str, Answer] = {}
    ticks: dict[str, Place] = {}
    async for record in read_to_end(stage.kafka, stage.topics.decisions):
        decision = codec.decode(record.value, Decision)
        place = (decision.cause.partition, decision.cause.offset)
        if decision.outcome == "entered" and decision.enrollment_id is not None:
            meant_at = from_wire(decision.values["anchor_at"])
            answers.setdefault(
                decision.enrollment_id,
                Answer(key=record.key, meant_at=meant_at, event=place, decided_at=record.timestamp),
            )
        elif decision.outcome == "sent" and decision.enrollment_id is not None:
            ticks.setdefault(decision.enrollment_id, place)
    ids: dict[str, str] = {}
    async for record in read_to_end(stage.kafka, stage.topics.commands):
        command = codec.decode_order(record.value)
        if not isinstance(command, Command):
            continue
        if ids.setdefault(command.enrollment_id, command.command_id) != command.command_id:
            raise Wrong(f"{command.enrollment_id} has two commands")
        answer = answers.get(command.enrollment_id)
        if answer is None:
            raise Wrong(f"{command.command_id} belongs to nobody who was enrolled")
        if answer.command_at < 0:
            answer.command_at = record.timestamp
    lacking = [found.key.decode() for name, found in answers.items() if name not in ids]
    if lacking:
        raise Wrong(f"{len(lacking)} commands are missing, such as that of {', '.join(lacking[:EXAMPLES_MAX])}")
    await _place(stage, answers, ticks)
    return list(answers.values())


async def _place(stage: Stage, answers: Mapping[str, Answer], ticks: Mapping[str, Place]) -> None:
    """When the events and ticks behind the answers were appended. Raises Wrong for an event that is not there."""
    by_event = {answer.event: answer for answer in answers.values()}
    tick_at: dict[Place, int] = {}
    async for record in read_to_end(stage.kafka, stage.topics.profile_log):
        place = (record.partition, record.offset)
        if record.key == TICK_KEY:
            tick_at[place] = record.timestamp
        elif place in by_event:
            by_event[place].appended_at = record.timestamp
    for enrollment_id, answer in answers.items():
        answer.tick_at = tick_at[ticks[enrollment_id]]
        if answer.appended_at < 0:
            raise Wrong(f"the decision on {answer.key!r} names an event that is not there: {answer.event}")
