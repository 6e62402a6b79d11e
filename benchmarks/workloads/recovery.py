"""W4: how long a worker that was killed needs until it works again, without its local disk and with it.

The state topic holds a million profiles of 850 bytes with a timer each, a fifth of them twice. Events wait in the log.
*cold*: a worker starts on an empty folder, and is killed when it has caught up; more events come. *warm*: it starts on
what is left. All moments are append times at the broker, less the moment at which the process was made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from benchmarks import profile_log
from benchmarks.broker import admin, committed
from benchmarks.profile_log import clock_ms, producing
from benchmarks.stage import Stage, Wrong
from benchmarks.traffic import Draft, drafts
from benchmarks.workloads import load, running
from benchmarks.workloads.ground import Ground, ends_of, fresh_log, later
from benchmarks.workloads.results import Reading
from benchmarks.workloads.running import Worker, total
from benchmarks.workloads.seeding import HOUR_MS, evenly, seed
from schemas import codec
from schemas.codec import PARTITION_KEY
from schemas.topics import DEFAULT_PARTITIONS

FLOWS = Path(__file__).parent / "flows" / "timers"
REPEATED = 0.2
CAUGHT_UP_SECONDS = 180.0
SETTLED_ASKS_MAX, SETTLED_ASK_SECONDS = 30, 1.0
ASK_SECONDS = 0.2


class Start(NamedTuple):
    """One start of the worker, in seconds from the making of its process; the rest as of when it had caught up."""

    ready: float
    first: float
    caught_up: float
    cpu_seconds: float
    memory_mib: float
    restored: float


async def run(on: Ground, *, profiles: int, backlog: int) -> Reading:
    """Cold, then warm. Raises Wrong if a timer was lost on the way, or fired."""
    async with fresh_log(on, partitions=DEFAULT_PARTITIONS) as (stage, identity):
        timers = evenly(range(profiles), begin_at=clock_ms() + HOUR_MS, over_ms=HOUR_MS)
        written = await seed(stage, identity, timers, repeat=REPEATED)
        stream = drafts(seed=3, kind="session")
        cold = await _start(stage, islice(stream, backlog), pending=profiles)
        if cold.restored < written:
            raise Wrong(f"it read {cold.restored:,.0f} records back, and {written:,} had been written")
        warm = await _start(stage, islice(stream, backlog), pending=profiles)
    return Reading(
        values={
            "profiles": profiles,
            "records per key": written / profiles,
            "keys per second": profiles / cold.first,
            **{f"cold {name}": value for name, value in cold._asdict().items()},
            **{f"warm {name}": value for name, value in warm._asdict().items()},
        }
    )


async def _start(stage: Stage, backlog: Iterator[Draft], *, pending: int) -> Start:
    """Put events into the log, start the worker, let it catch up, see that every timer is there, and kill it."""
    topics = stage.topics
    await profile_log.write_stream(stage.kafka, topics, backlog)
    ends, decided, stored = [
        await ends_of(stage.kafka, topic) for topic in (topics.profile_log, topics.decisions, topics.profile_state)
    ]
    async with running.worker(stage, flows=FLOWS) as worker, producing(stage.kafka) as producer:
        async with load.marking(producer, topics):
            ready_at = await worker.ready(patience_seconds=CAUGHT_UP_SECONDS)
            await _caught_up(stage, worker, ends)
            cpu_seconds, memory_mib = worker.cpu_seconds(), worker.memory_mib()
            restored = await _settled(worker, pending=pending)
        worker.kill()
    first_at = min([record.timestamp async for record in later(stage.kafka, topics.decisions, decided)])
    caught_up_at = await _stored_at(stage, stored, ends)
    return Start(
        ready=(ready_at - worker.spawned_at) / 1000,
        first=(first_at - worker.spawned_at) / 1000,
        caught_up=(caught_up_at - worker.spawned_at) / 1000,
        cpu_seconds=cpu_seconds,
        memory_mib=memory_mib,
        restored=restored,
    )


async def _caught_up(stage: Stage, worker: Worker, ends: Mapping[int, int]) -> None:
    """Wait until the group has committed everything that was in the log when it started."""
    group, topic = f"{stage.namespace}.worker", stage.topics.profile_log.name
    async with admin(stage.kafka) as client, asyncio.timeout(CAUGHT_UP_SECONDS):
        while True:
            positions = await committed(client, group, topic)
            if all(positions.get(number, 0) >= end for number, end in ends.items()):
                return
            worker.must_live()
            await asyncio.sleep(ASK_SECONDS)


async def _settled(worker: Worker, *, pending: int) -> float:
    """Wait until only the timers made beforehand are left; returns how many records were restored. Raises Wrong."""
    found = -1.0
    for _ in range(SETTLED_ASKS_MAX):
        numbers = await worker.numbers()
        found = total(numbers, "cartwheel_timers_pending")
        if found == pending:
            return total(numbers, "cartwheel_restored_records_total")
        await asyncio.sleep(SETTLED_ASK_SECONDS)
    raise Wrong(f"{found:,.0f} timers are pending, and {pending:,} should be")


async def _stored_at(stage: Stage, stored: Mapping[int, int], ends: Mapping[int, int]) -> int:
    """When the last partition had stored that it is beyond where the log ended."""
    stored_at: dict[int, int] = {}
    async for record in later(stage.kafka, stage.topics.profile_state, stored):
        if record.key == PARTITION_KEY and codec.unpack_partition(record.value).position >= ends[record.partition]:
            stored_at.setdefault(record.partition, record.timestamp)
    return max(stored_at.values())
