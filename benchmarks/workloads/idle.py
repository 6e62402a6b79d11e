"""What a worker and an intake cost while nobody does anything: CPU, and what they append to the log all the same."""

from __future__ import annotations

import asyncio
import dataclasses
import time

from benchmarks.stage import Stage
from benchmarks.workloads import running
from benchmarks.workloads.ground import Ground, ends_of, fresh_log
from benchmarks.workloads.latency import FLOWS, READY_SECONDS
from benchmarks.workloads.results import Reading
from schemas.topics import DEFAULT_PARTITIONS


async def run(on: Ground, *, settle_seconds: float, seconds: float) -> Reading:
    """Shares of a core in per cent, and records per second, over so many seconds. Raises Wrong if one of them ends."""
    async with fresh_log(on, partitions=DEFAULT_PARTITIONS) as (stage, _):
        beside = dataclasses.replace(stage, folder=stage.folder.with_name(f"{stage.folder.name}-intake"))
        beside.clear()
        async with (
            running.cartwheel(beside, "intake") as other,
            running.worker(stage, flows=FLOWS) as worker,
        ):
            await worker.ready(patience_seconds=READY_SECONDS)
            await asyncio.sleep(settle_seconds)
            begun, used, ends = time.monotonic(), [one.cpu_seconds() for one in (worker, other)], await _ends(on, stage)
            await asyncio.sleep(seconds)
            wall = time.monotonic() - begun
            shares = [
                100 * (one.cpu_seconds() - before) / wall for one, before in zip((worker, other), used, strict=True)
            ]
            appended = [after - before for before, after in zip(ends, await _ends(on, stage), strict=True)]
            await worker.stop()
            await other.stop()
        beside.clear()
    return Reading(
        values={
            "partitions": DEFAULT_PARTITIONS,
            "worker % of a core": shares[0],
            "intake % of a core": shares[1],
            "ticks per second": appended[0] / wall,
            "marks per second": appended[1] / wall,
            "states per second": appended[2] / wall,
        }
    )


async def _ends(on: Ground, stage: Stage) -> list[int]:
    """How long the profile log, the progress of intake and the state topic are."""
    topics = stage.topics
    return [
        sum((await ends_of(on.kafka, topic)).values())
        for topic in (topics.profile_log, topics.progress, topics.profile_state)
    ]
