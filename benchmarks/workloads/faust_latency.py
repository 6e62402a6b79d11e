"""W2 and W9 of the tuned Faust agent: the same load, and from an event to its command, which nothing holds up there.

It sends while it applies the event, without a timer and without a decision record, so its command is compared with the
worker's decision.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from dataclasses import replace

import msgspec

from agents.topic_reader import read_to_end
from benchmarks.broker import make_empty
from benchmarks.peers.job import CHECKOUT, Options
from benchmarks.profile_log import producing
from benchmarks.stage import Stage, Wrong
from benchmarks.workloads import answering_faust, load, running
from benchmarks.workloads.answers import Latency
from benchmarks.workloads.ground import Ground, fresh_log
from benchmarks.workloads.latency import Rate, stream
from benchmarks.workloads.load import Span
from benchmarks.workloads.people import hot_person
from benchmarks.workloads.results import Reading
from schemas import codec
from schemas.instants import from_wire
from schemas.topics import DEFAULT_PARTITIONS, Topic

APP = "answering-faust"
DRAIN_SECONDS = 3.0


async def at_rate(on: Ground, rate: Rate) -> Reading:
    """Latencies of everybody at this rate. One that falls behind has no more than these latencies to say so."""
    commands = Latency.of([late for _, late in await _answers(on, rate, hot=False)])
    return Reading(
        values={"command p50 ms": commands["p50"], "command p99 ms": commands["p99"]},
        latencies={"command": commands},
    )


async def beside_a_hot_one(on: Ground, rate: Rate) -> Reading:
    """The p99 of everybody else with a hot person over that without one."""
    latencies = {}
    for name, hot in (("without", False), ("with", True)):
        found = await _answers(on, rate, hot=hot)
        latencies[name] = Latency.of([late for key, late in found if key != hot_person().key])
    ratio = latencies["with"]["p99"] / max(1.0, latencies["without"]["p99"])
    return Reading(values={"p99 ratio": ratio}, latencies=latencies)


async def _answers(on: Ground, rate: Rate, *, hot: bool) -> list[tuple[bytes, int]]:
    """Whom each command is for and how late it was, of the events within the measured time."""
    async with fresh_log(on, partitions=DEFAULT_PARTITIONS) as (stage, _):
        commands, changelog = _topics(stage)
        await make_empty(stage.kafka, [commands, changelog])
        count = int(rate.per_second * (rate.warm_up_seconds + rate.seconds))
        events = load.address(stream(hot=hot), partitions=DEFAULT_PARTITIONS, count=count)
        warm = int(rate.per_second * rate.warm_up_seconds)
        gc.freeze()
        command = [sys.executable, "-m", answering_faust.__name__, _options(stage, commands=commands.name)]
        async with running.started(stage, command, {}) as peer, producing(stage.kafka) as producer:
            await load.play(producer, stage, events[:warm], per_second=rate.per_second)
            span = await load.play(producer, stage, events[warm:], per_second=rate.per_second)
            await asyncio.sleep(DRAIN_SECONDS)
            peer.must_live()
            await peer.stop()
        gc.unfreeze()
        return await _late(stage, commands, span, per_second=rate.per_second)


async def _late(stage: Stage, commands: Topic, span: Span, *, per_second: float) -> list[tuple[bytes, int]]:
    """Whom it answered how late. Raises Wrong if a checkout of that time is unanswered."""
    wanted: dict[str, int] = {}
    async for record in read_to_end(stage.kafka, stage.topics.profile_log):
        event = codec.parse(record.value)
        if event["type"] == CHECKOUT:
            wanted.setdefault(event["id"], from_wire(event["time"]))
    late: dict[str, tuple[bytes, int]] = {}
    async for record in read_to_end(stage.kafka, commands):
        event_id = codec.parse(record.value)["id"]
        late.setdefault(event_id, (record.key, record.timestamp - wanted[event_id]))
    due = [event_id for event_id, meant_at in wanted.items() if span.begun_at <= meant_at < span.ended_at]
    if lacking := sum(event_id not in late for event_id in due):
        raise Wrong(f"it did not hold {per_second:,.0f} events a second: {lacking:,} of {len(due):,} are unanswered")
    return [late[event_id] for event_id in due]


def _topics(stage: Stage) -> tuple[Topic, Topic]:
    """Its commands and its changelog, with the settings of ours."""
    app = f"{stage.namespace}-{APP}"
    return (
        replace(stage.topics.commands, name=f"{app}-commands"),
        replace(stage.topics.profile_state, name=f"{app}-profiles-changelog"),
    )


def _options(stage: Stage, *, commands: str) -> str:
    options = Options(
        kafka=stage.kafka,
        app=f"{stage.namespace}-{APP}",
        log_topic=stage.topics.profile_log.name,
        commands_topic=commands,
        changelog_topic="",
        partitions=stage.topics.profile_log.partitions,
        folder=str(stage.folder / "state"),
    )
    return msgspec.json.encode(options).decode()
