"""The core against the naive oracle, on many small random worlds. `make simulate SEEDS=1 SEED=7`.

A failure prints its seed, and the seed replays it exactly.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any, NamedTuple

import pytest

from schemas import codec
from schemas.command import Command
from schemas.control import RESOLUTION_KEY, TICK_KEY, Resolution, Tick, Watermark
from schemas.decision import Decision
from schemas.edge import accept_event, accept_watermark
from schemas.flow import Flow
from schemas.instants import from_wire, to_wire
from schemas.policy import NO_POLICY, Policy
from streams.flowfile import check, check_policy
from streams.flowfile.surroundings import Surroundings
from streams.partition import Partition, Record
from streams.program import Program, build
from streams.rehearsal import Rehearsal, watermark_record
from streams.summary import summarize
from tests.oracle.people import Command as Expected
from tests.oracle.people import Decision as Told
from tests.oracle.replay import LogRecord, Result, run_carried, run_live
from tests.oracle.scenario import Scenario, live_log, naive, receipts_in_log, scenario, with_receipts
from tests.unit.stage import Unit, work

#: Outcomes that the oracle tells, and those whose step counts.
TOLD = ("entered", "restarted", "sent", "skipped", "ended", "recalled", "regretted", "exposed", "stated", "emitted")
STEPWISE = ("sent", "skipped", "recalled", "regretted")
FIRST, COUNT = int(os.environ.get("SEED", "1")), int(os.environ.get("SEEDS") or 200)
BATCHES = (1, 7, 500)
seeds = pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))


@seeds
def test_a_carried_clock_decides_as_the_oracle_does(seed: int) -> None:
    world = scenario(seed)
    lines, (naive_flows, naive_policy) = with_receipts(seed, world), naive(world)
    rehearsal = Rehearsal(_flows(world), policy=_policy(world))
    rehearsal.feed([_carried(json.loads(line)) for line in lines])
    rehearsal.finish()
    expected = run_carried(naive_flows, lines, naive_policy)
    _compare(rehearsal.commands, rehearsal.decisions, rehearsal.tallies, expected)
    assert all(not profile.enrollments for profile in rehearsal.profiles())


@seeds
def test_a_live_clock_decides_as_the_oracle_does_in_any_batches_and_over_any_crash(seed: int) -> None:
    world = scenario(seed)
    naive_flows, naive_policy = naive(world)
    log, program = live_log(seed, world.lines), build(_flows(world), policy=_policy(world))
    if world.policy is not None:
        log = receipts_in_log(seed, log, naive_flows, naive_policy)
    runs = [_run_live(program, log, batch=batch) for batch in BATCHES]
    assert runs[0] == runs[1] == runs[2], "the same log gave other bytes in other batches"
    said, tallies = runs[0]
    decisions = [codec.decode(value, Decision) for value in said.decisions]
    _compare(codec.commands_of(said.commands), decisions, tallies, run_live(naive_flows, log, naive_policy))
    crashed = _run_crashing(program, log, every=1 + seed % 11)
    assert all(set(one) == set(other) for one, other in zip(crashed, said, strict=True)), "crashes made other outputs"


def _policy(world: Scenario) -> Policy:
    if world.policy is None:
        return NO_POLICY
    checked = check_policy(world.policy, name="policy.yaml")
    assert checked.policy is not None, checked.findings
    return checked.policy


def _flows(world: Scenario) -> list[Flow]:
    around = Surroundings(declared_facts=_policy(world).facts)
    found = []
    for number, text in enumerate(world.flows):
        checked = check(text, name=f"flow_{number}.yaml", around=around)
        assert checked.flow is not None, (text, [one for one in checked.findings if one.severity == "error"])
        found.append(checked.flow)
    return found


def _compare(
    commands: list[Command], decisions: list[Decision], tallies: Counter[tuple[str, ...]], expected: Result
) -> None:
    found = Counter(_told(one) for one in decisions if one.outcome in TOLD)
    wanted = Counter(one for one in expected.decisions if one.outcome in TOLD)
    assert sorted((found - wanted).elements(), key=_by_time) == sorted((wanted - found).elements(), key=_by_time)
    assert sorted(map(_essence, commands)) == sorted(expected.commands)
    assert len({one.command_id for one in commands}) == len(commands)
    counts = expected.summary()["flows"]
    summary = summarize(tallies, counts)
    assert {flow: {name: summary[flow][name] for name in counts[flow]} for flow in counts} == counts


def _told(decision: Decision) -> Told:
    reason = "" if decision.outcome in ("entered", "sent", "stated") else decision.reason
    step = decision.step if decision.outcome in STEPWISE else None
    return Told(
        decision.profile_id, decision.flow, decision.outcome, reason, step or "", from_wire(decision.decided_at)
    )


def _by_time(decision: Told) -> Any:
    return decision.at, decision


def _essence(command: Command) -> Expected:
    return Expected(
        command_id=command.command_id,
        enrollment_id=command.enrollment_id,
        profile_id=command.profile_id,
        flow=command.flow,
        step=command.step,
        visit=command.visit,
        decided_at=from_wire(command.decided_at),
    )


def _carried(line: dict[str, Any]) -> Record:
    arrived_at = line.pop("arrived_at", None)
    if "watermark" in line:
        return watermark_record(_watermark(line["watermark"]), at=from_wire(arrived_at))
    event = accept_event(line, received_at=None)
    return Record(0, from_wire(arrived_at) if arrived_at else event.occurred_at, event.key, event.value)


def _watermark(said: dict[str, Any]) -> Watermark:
    return accept_watermark({"watermark": {"tenant": "shop"} | said})


def _live(record: LogRecord) -> Record:
    offset, appended_at, kind, payload = record
    body = json.loads(json.dumps(payload))
    if kind == "tick":
        through = body["through"] if isinstance(body["through"], str) else to_wire(body["through"])
        marks = tuple(_watermark(mark) for mark in body.get("watermarks") or ())
        tick = Tick(
            through=through,
            through_key=body.get("through_key"),
            watermarks=marks,
            gates_through=body.get("gates_through"),
            gates_key=body.get("gates_key"),
        )
        return Record(offset, appended_at, TICK_KEY, codec.encode(tick))
    if kind == "poison":
        return Record(offset, appended_at, body["profile"].encode(), b"{")
    if kind == "resolution":
        said = Resolution(
            profile=body["profile"], offsets=tuple(body["offsets"]), how="dismissed", by="ops", at=to_wire(appended_at)
        )
        return Record(offset, appended_at, RESOLUTION_KEY, codec.encode(said))
    event = accept_event(body, received_at=None)
    return Record(offset, appended_at, event.key, event.value)


class _Disk(dict[bytes, bytes]):
    """What survives a crash: packed profiles and the partition record."""


def _open(program: Program, disk: _Disk) -> Partition:
    packed = disk.get(codec.PARTITION_KEY)
    partition = Partition(
        program=program,
        topic="log",
        number=0,
        clock="live",
        incarnation="one",
        load=disk.get,
        record=codec.unpack_partition(packed) if packed else None,
    )
    for key, state in disk.items():
        if key != codec.PARTITION_KEY:
            partition.restore(key, state)
    return partition


class Said(NamedTuple):
    """Outputs, without their keys."""

    commands: list[bytes]
    decisions: list[bytes]
    events: list[bytes]

    def add(self, unit: Unit) -> None:
        """Of one unit of work."""
        for mine, theirs in zip(self, (unit.commands, unit.decisions, unit.events), strict=True):
            mine.extend(value for _, value in theirs)


def _run_live(program: Program, log: list[LogRecord], *, batch: int) -> tuple[Said, Counter[tuple[str, ...]]]:
    disk, records = _Disk(), [_live(record) for record in log]
    partition = _open(program, disk)
    said = Said([], [], [])
    tallies: Counter[tuple[str, ...]] = Counter()
    for start in range(0, len(records), batch):
        outputs = work(partition, records[start : start + batch])
        disk.update(outputs.states)
        said.add(outputs)
        tallies.update(outputs.tallies)
    return said, tallies


def _run_crashing(program: Program, log: list[LogRecord], *, every: int) -> Said:
    """Die after each unit with its states on disk and its partition record not; then, once, let the record through.

    So every unit is computed twice, the second time by a partition whose touched profiles are all ahead of it but one.
    """
    disk, records = _Disk(), [_live(record) for record in log]
    said = Said([], [], [])
    for start in range(0, len(records), every):
        unit = records[start : start + every]
        first = work(_open(program, disk), unit)
        said.add(first)
        disk.update(first.states[1:] if start % 2 else first.states)
        second = work(_open(program, disk), unit)
        said.add(second)
        disk.update(second.states)
        disk[codec.PARTITION_KEY] = second.partition_record
    return said
