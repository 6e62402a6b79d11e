"""W2 and W9: how long an event waits for its answer at a steady rate, and whether one busy person makes others wait.

On a live clock no event makes a command by itself: only a tick lets messages out, at most one per partition and 50 ms,
and never beyond what intake has vouched for. So there are three latencies, and each is told:

- *decision*: from the moment at which the event was meant to be sent to its decision record. Nothing but the engine
  lies in between, so this is how fast it answers.
- *command*: from there to the command of a flow without any wait. Intake's mark and the tick lie in between.
- *release*: from the tick that lets a message out, at the broker, to its command.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.profile_log import producing
from benchmarks.stage import Wrong
from benchmarks.traffic import Draft, drafts
from benchmarks.workloads import answers, load, running
from benchmarks.workloads.answers import Answer, Latency
from benchmarks.workloads.ground import Ground, fresh_log
from benchmarks.workloads.people import hot_person, with_one_hot
from benchmarks.workloads.results import Reading
from schemas.topics import DEFAULT_PARTITIONS

FLOWS = Path(__file__).parent / "flows" / "at_once"
READY_SECONDS = 60.0
DRAIN_SECONDS = 5.0
LAG_SECONDS_MAX = 1.0
"""A worker further behind than this at the end did not hold the rate, and the latencies only tell how long it ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How much, and for how long."""

    per_second: float
    warm_up_seconds: float
    seconds: float


async def at_rate(on: Ground, rate: Rate) -> Reading:
    """Latencies of everybody at this rate."""
    found, used = await _answers(on, rate, hot=False)
    return Reading(
        values={"events per second": rate.per_second, "busy": used, **_values(found)},
        latencies={
            "sent": Latency.of([one.appended_at - one.meant_at for one in found]),
            "decision": Latency.of([one.decided_at - one.meant_at for one in found]),
            "tick": Latency.of([one.tick_at - one.decided_at for one in found]),
            "release": Latency.of([one.command_at - one.tick_at for one in found]),
            "command": Latency.of([one.command_at - one.meant_at for one in found]),
        },
    )


async def beside_a_hot_one(on: Ground, rate: Rate) -> Reading:
    """The p99 of everybody else's decisions with a hot person over that without one, one run after the other."""
    p99s, latencies = {}, {}
    for name, hot in (("without", False), ("with", True)):
        found, _ = await _answers(on, rate, hot=hot)
        others = [one for one in found if one.key != hot_person().key]
        latencies[name] = Latency.of([one.decided_at - one.meant_at for one in others])
        latencies[f"{name}, command"] = Latency.of([one.command_at - one.meant_at for one in others])
        p99s[name] = latencies[name]["p99"]
    ratio = p99s["with"] / max(1.0, p99s["without"])
    return Reading(values={"events per second": rate.per_second, "p99 ratio": ratio}, latencies=latencies)


async def _answers(on: Ground, rate: Rate, *, hot: bool) -> tuple[list[Answer], float]:
    """The answers to what was sent within the measured time, and the share of the core that the worker used then."""
    per_second = rate.per_second
    async with fresh_log(on, partitions=DEFAULT_PARTITIONS) as (stage, _):
        count = int(per_second * (rate.warm_up_seconds + rate.seconds))
        events = load.address(stream(hot=hot), partitions=DEFAULT_PARTITIONS, count=count)
        gc.freeze()  # the driver must not stop to look through what it is about to send
        warm = int(per_second * rate.warm_up_seconds)
        async with running.worker(stage, flows=FLOWS) as worker, producing(stage.kafka) as producer:
            await worker.ready(patience_seconds=READY_SECONDS)
            async with load.marking(producer, stage.topics):
                await load.play(producer, stage, events[:warm], per_second=per_second)
                before = worker.cpu_seconds()
                span = await load.play(producer, stage, events[warm:], per_second=per_second)
                used = (worker.cpu_seconds() - before) / ((span.ended_at - span.begun_at) / 1000)
                lag = running.total(await worker.numbers(), "cartwheel_consumer_lag_records")
                await asyncio.sleep(DRAIN_SECONDS)
            await worker.stop()
        gc.unfreeze()
        if lag > LAG_SECONDS_MAX * per_second:
            raise Wrong(f"it did not hold {per_second:,.0f} events a second: {lag:,.0f} were left behind at the end")
        return [one for one in await answers.read(stage) if span.begun_at <= one.meant_at < span.ended_at], used


def stream(*, hot: bool) -> Iterator[Draft]:
    """Session traffic, or the same with one person who never stops."""
    usual = drafts(seed=1, kind="session")
    return with_one_hot(usual) if hot else usual


def _values(found: list[Answer]) -> dict[str, float]:
    decisions = Latency.of([one.decided_at - one.meant_at for one in found])
    commands = Latency.of([one.command_at - one.meant_at for one in found])
    releases = Latency.of([one.command_at - one.tick_at for one in found])
    return {
        f"{name} {share} ms": latency[share]
        for name, latency in (("decision", decisions), ("release", releases), ("command", commands))
        for share in ("p50", "p99")
    }
