"""The core against the naive oracle, on many small random worlds. `make simulate SEEDS=1 SEED=7`.

A failure prints its seed, and the seed replays it exactly.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any

import pytest

from schemas import codec
from schemas.command import Command
from schemas.control import RESOLUTION_KEY, TICK_KEY, Resolution, Tick, Watermark
from schemas.edge import accept_event, accept_watermark
from schemas.flow import Flow
from schemas.instants import from_wire, to_wire
from streams.flowfile import load
from streams.partition import Partition, Record
from streams.program import Program, build
from streams.rehearsal import Rehearsal, watermark_record
from streams.summary import summarize
from tests.oracle.flowfile import load_flow
from tests.oracle.people import Command as Expected
from tests.oracle.replay import LogRecord, Result, run_carried, run_live
from tests.oracle.scenario import Scenario, live_log, scenario
from tests.unit.stage import work

FIRST, COUNT = int(os.environ.get("SEED", "1")), int(os.environ.get("SEEDS") or 200)
BATCHES = (1, 7, 500)
seeds = pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))


@seeds
def test_a_carried_clock_decides_as_the_oracle_does(seed: int) -> None:
    world = scenario(seed)
    rehearsal = Rehearsal(_flows(world))
    rehearsal.feed([_carried(json.loads(line)) for line in world.lines])
    rehearsal.finish()
    assert rehearsal.pending == 0
    _compare(rehearsal.commands, rehearsal.tallies, run_carried(_naive(world), world.lines))


@seeds
def test_a_live_clock_decides_as_the_oracle_does_in_any_batches_and_over_any_crash(seed: int) -> None:
    world = scenario(seed)
    log, program = live_log(seed, world.lines), build(_flows(world))
    runs = [_run_live(program, log, batch=batch) for batch in BATCHES]
    assert runs[0] == runs[1] == runs[2], "the same log gave other bytes in other batches"
    values, tallies = runs[0]
    commands = codec.commands_of(values)
    _compare(commands, tallies, run_live(_naive(world), log))
    crashed = _run_crashing(program, log, every=1 + seed % 11)
    assert set(crashed) == set(values), "a replay after crashes made other commands"


def _flows(world: Scenario) -> list[Flow]:
    return [load(text, name=f"flow_{number}.yaml") for number, text in enumerate(world.flows)]


def _naive(world: Scenario) -> list[Any]:
    return [load_flow(text) for text in world.flows]


def _compare(commands: list[Command], tallies: Counter[tuple[str, ...]], expected: Result) -> None:
    assert sorted(map(_essence, commands)) == sorted(expected.commands)
    counts = expected.summary()["flows"]
    found = summarize(tallies, counts)
    assert {flow: {name: found[flow][name] for name in counts[flow]} for flow in counts} == counts


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


def _run_live(program: Program, log: list[LogRecord], *, batch: int) -> tuple[list[bytes], Counter[tuple[str, ...]]]:
    disk, records = _Disk(), [_live(record) for record in log]
    partition = _open(program, disk)
    commands: list[bytes] = []
    tallies: Counter[tuple[str, ...]] = Counter()
    for start in range(0, len(records), batch):
        outputs = work(partition, records[start : start + batch])
        disk.update(outputs.states)
        commands += (value for _, value in outputs.commands)
        tallies.update(outputs.tallies)
    return commands, tallies


def _run_crashing(program: Program, log: list[LogRecord], *, every: int) -> list[bytes]:
    """Die after each unit with its states on disk and its partition record not; then, once, let the record through.

    So every unit is computed twice, the second time by a partition whose touched profiles are all ahead of it but one.
    """
    disk, records = _Disk(), [_live(record) for record in log]
    commands: list[bytes] = []
    for start in range(0, len(records), every):
        unit = records[start : start + every]
        first = work(_open(program, disk), unit)
        commands += (value for _, value in first.commands)
        disk.update(first.states[1:] if start % 2 else first.states)
        second = work(_open(program, disk), unit)
        commands += (value for _, value in second.commands)
        disk.update(second.states)
        disk[codec.PARTITION_KEY] = second.partition_record
    return commands
