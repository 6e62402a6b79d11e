"""The verdict over a run on a live clock: what the topics hold, beside what the oracle makes of the recorded log.

The raw topic is looked at too: nothing of it may be lost, and nobody may be reminded whose order was there in time.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from agents.topic_reader import read_to_end
from schemas import codec
from schemas.command import Command
from schemas.control import TICK_KEY
from schemas.decision import Decision
from schemas.limits import MARKETING_VALID_MS
from tests.e2e.pipeline import Pipeline
from tests.oracle.flowfile import Flow
from tests.oracle.identity import hashed
from tests.oracle.records import Event, event, instant
from tests.oracle.replay import run_live

Facts = tuple[Any, ...]


class Record(NamedTuple):
    """A record of a topic."""

    partition: int
    offset: int
    appended_at: int
    key: bytes | None
    value: bytes


@dataclass(kw_only=True)
class Recorded:
    """What a run has left: raw topic, profile log, commands, decisions; each partition in its order."""

    raw: list[Record]
    log: list[Record]
    commands: list[Command]
    decisions: list[Decision]

    @classmethod
    async def of(cls, line: Pipeline) -> Recorded:
        """Read it."""
        read = [
            [Record(r.partition, r.offset, r.timestamp, r.key, r.value) async for r in read_to_end(line.kafka, topic)]
            for topic in (line.topics.raw, line.topics.profile_log, line.topics.commands, line.topics.decisions)
        ]
        return cls(
            raw=read[0],
            log=read[1],
            commands=codec.commands_of(record.value for record in read[2]),
            decisions=[codec.decode(record.value, Decision) for record in read[3]],
        )


@dataclass(kw_only=True)
class Verdict:
    """The first rows tell what there was, those from `lost` on must be 0."""

    events: int = 0
    ticks: int = 0
    commands: int = 0
    repeated: int = 0
    kept_back: int = 0
    """Enrollments that an order ended."""
    racing: int = 0
    """Sent although an order of theirs had reached the raw topic before the tick was appended. Intake tells how far it
    is some times a second, so an order may come between its word and the tick; never one that has lain there longer."""
    racing_ms: int = 0
    """How long such an order had lain there, at most."""

    lost: int = 0
    """Raw events that are not in the profile log."""
    missing: int = 0
    wrong: int = 0
    two_bodies: int = 0
    wrong_not_after: int = 0
    early: int = 0
    overtaking: int = 0
    """Sent although an order of theirs had reached the raw topic by the time up to which the tick released."""

    def faults(self) -> dict[str, int]:
        """What must not be."""
        names = [field.name for field in fields(self)]
        return {name: getattr(self, name) for name in names[names.index("lost") :] if getattr(self, name)}


def judge(recorded: Recorded, flows: Sequence[Flow]) -> Verdict:
    """Compare."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for command in recorded.commands:
        bodies[command.command_id].add(codec.encode(command))
    commands = {command.command_id: command for command in recorded.commands}
    expected, ended = _oracle(recorded.log, flows)
    good = {record["id"] for record in map(_parsed, recorded.raw) if "id" in record}
    verdict = Verdict(
        events=sum(record.key != TICK_KEY for record in recorded.log),
        ticks=sum(record.key == TICK_KEY for record in recorded.log),
        commands=len(commands),
        repeated=len(recorded.commands) - len(commands),
        kept_back=ended["bought"],
        lost=len(good - {json.loads(record.value)["id"] for record in recorded.log if record.key != TICK_KEY}),
        missing=len(expected.keys() - commands.keys()),
        wrong=sum(_facts(command) != expected.get(one) for one, command in commands.items()),
        two_bodies=sum(len(some) > 1 for some in bodies.values()),
        wrong_not_after=sum(not _has_good_limit(command) for command in commands.values()),
    )
    _judge_moments(verdict, recorded, list(commands.values()), flows)
    return verdict


def _oracle(log: Sequence[Record], flows: Sequence[Flow]) -> tuple[dict[str, Facts], Counter[str]]:
    expected: dict[str, Facts] = {}
    ended: Counter[str] = Counter()
    for number in sorted({record.partition for record in log}):
        own = [record for record in log if record.partition == number]
        kinds = [(r.offset, r.appended_at, "tick" if r.key == TICK_KEY else "event", r.value) for r in own]
        result = run_live(flows, kinds)
        expected |= {one.command_id: tuple(one[1:]) for one in result.commands}
        for flow in result.summary()["flows"].values():
            ended.update(flow["ended"])
    return expected, ended


def _facts(command: Command) -> Facts:
    named = (command.enrollment_id, command.profile_id, command.flow, command.step, command.visit)
    return (*named, instant(command.decided_at))


def _has_good_limit(command: Command) -> bool:
    return instant(command.not_after) - instant(command.decided_at) == MARKETING_VALID_MS


# -- moments


def _judge_moments(verdict: Verdict, recorded: Recorded, commands: Sequence[Command], flows: Sequence[Flow]) -> None:
    """Nothing early, and nothing ahead of an order."""
    waits = {flow.name: sum(step.wait_ms for step in flow.steps) for flow in flows}
    anchors = _anchors(recorded.log, flows)
    orders = _orders(recorded.raw)
    ticks = {(r.partition, r.offset): r for r in recorded.log if r.key == TICK_KEY}
    causes = {one.command_id: one.cause for one in recorded.decisions if one.command_id and one.outcome == "sent"}
    for command in commands:
        cause = causes[command.command_id]
        tick = ticks[cause.partition, cause.offset]
        anchor = anchors[command.enrollment_id]
        verdict.early += instant(command.decided_at) < anchor + waits[command.flow]
        arrived = [at for occurred, at in orders[command.profile_id] if anchor < occurred]
        before = [tick.appended_at - at for at in arrived if at < tick.appended_at]
        verdict.overtaking += any(at <= instant(json.loads(tick.value)["through"]) for at in arrived)
        verdict.racing += bool(before)
        verdict.racing_ms = max([verdict.racing_ms, *before])


def _anchors(log: Sequence[Record], flows: Sequence[Flow]) -> dict[str, int]:
    """When each enrollment began that there can be: flows here have no key, and ignore what comes while one is live."""
    anchors: dict[str, int] = {}
    for record in log:
        if record.key != TICK_KEY:
            one = _event(record)
            for flow in flows:
                if flow.event == one.name:
                    who = (one.tenant, one.profile_id, flow.name, "", one.name, one.dedupe)
                    anchors.setdefault(hashed(*who), one.occurred_at)
    return anchors


def _orders(raw: Sequence[Record]) -> dict[str, list[tuple[int, int]]]:
    """By profile, when each order happened and when its first copy was appended to the raw topic."""
    seen = set()
    orders: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for one in _events(raw):
        if one.name == "order_placed" and one.dedupe not in seen:
            seen.add(one.dedupe)
            orders[one.profile_id].append((one.occurred_at, one.appended_at))
    return orders


def _events(raw: Sequence[Record]) -> Iterator[Event]:
    return (_event(record) for record in raw if "type" in _parsed(record))


def _event(record: Record) -> Event:
    return event(json.loads(record.value), appended_at=record.appended_at, position=record.offset)


def _parsed(record: Record) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(record.value)
    except ValueError:
        return {}
    return parsed
