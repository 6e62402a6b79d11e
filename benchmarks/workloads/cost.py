"""W6 and W7: what an event costs when there are more people, more partitions, more flows; and what it leaves behind.

Each comparison plays two sides in turn on full backlogs, with the slots of the main benchmark: the worker's commands
must be those of the reference in each of them. A ratio is taken within a round.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from agents import topics_admin
from agents.topic_reader import read_to_end
from benchmarks import profile_log, systems
from benchmarks.profile_log import clock_ms
from benchmarks.slot import Slot, play
from benchmarks.stage import Stage, Wrong
from benchmarks.systems import Cartwheel
from benchmarks.traffic import Draft
from benchmarks.workloads import running
from benchmarks.workloads.ground import Ground, fresh_log
from benchmarks.workloads.running import Numbers
from benchmarks.workloads.seeding import HOUR_MS, evenly, seed
from schemas import codec
from schemas.codec import PARTITION_KEY

SCRAPE_SECONDS = 1.0
GC_BUCKET = "cartwheel_gc_pause_seconds_bucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison: the traffic, the flows, and how many profiles there are from the beginning."""

    stream: Iterator[Draft]
    flows: Path
    partitions: int
    seeded: int = 0


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """One slot. `gc_p99_ms`: of the pauses in it, the bound of the bucket that holds it; -1 if the worker has not told.

    `changelog_bytes_per_event`: keys and values as they are before compression, in the second half of the run.
    """

    slot: Slot
    changelog_bytes_per_event: float
    changelog_records_per_event: float
    gc_p99_ms: float


class Ours(Cartwheel):
    """The worker with flows of our choice, on state made beforehand."""

    def __init__(self, side: Side) -> None:
        self._side = side

    async def prepare(self, stage: Stage) -> None:
        """As always, and then the state."""
        await super().prepare(stage)
        if self._side.seeded:
            identity = await topics_admin.require_log_identity(stage.kafka, stage.topics)
            timers = evenly(range(self._side.seeded), begin_at=clock_ms() + HOUR_MS, over_ms=HOUR_MS)
            await seed(stage, identity, timers)

    def command(self, stage: Stage) -> tuple[list[str], dict[str, str]]:
        """As always, with the flows of this side."""
        command, environ = super().command(stage)
        return [str(self._side.flows) if word == str(systems.FLOWS) else word for word in command], environ


@asynccontextmanager
async def set_up(on: Ground, side: Side, *, events: int) -> AsyncIterator[Stage]:
    """A log with so many events, and what must come of them."""
    async with fresh_log(on, partitions=side.partitions) as (stage, _):
        await profile_log.write_stream(stage.kafka, stage.topics, islice(side.stream, events))
        references = await profile_log.read(stage.kafka, stage.topics)
        yield Stage(
            kafka=stage.kafka,
            topics=stage.topics,
            namespace=stage.namespace,
            cache=stage.cache,
            folder=stage.folder,
            references=references,
        )


async def measure(side: Side, stage: Stage, *, warm_up_seconds: float, seconds: float) -> Cost:
    """One slot of one side. Raises Wrong."""
    pages: list[Numbers] = []
    scraping = asyncio.create_task(_scrape(stage.folder, pages))
    try:
        slot = await play(Ours(side), stage, warm_up_seconds=warm_up_seconds, seconds=seconds)
    finally:
        scraping.cancel()
    size, records = await _changelog(stage)
    return Cost(
        slot=slot,
        changelog_bytes_per_event=size,
        changelog_records_per_event=records,
        gc_p99_ms=gc_p99_ms(pages[int(-seconds / SCRAPE_SECONDS) :]),
    )


async def _scrape(home: Path, pages: list[Numbers]) -> None:
    while True:
        with contextlib.suppress(Wrong, OSError):
            pages.append(await asyncio.to_thread(running.scrape, home))
        await asyncio.sleep(SCRAPE_SECONDS)


def gc_p99_ms(pages: list[Numbers]) -> float:
    """The bound of the bucket that holds the 99th percentile of what came between the first page and the last."""
    buckets: dict[float, float] = {}
    for name in pages[-1] if pages else ():
        if name.startswith(GC_BUCKET):
            bound = float(name.rpartition("'le', '")[2].partition("'")[0])
            buckets[bound] = buckets.get(bound, 0.0) + pages[-1][name] - pages[0].get(name, 0.0)
    pauses = max(buckets.values(), default=0.0)
    return next((bound * 1000 for bound, below in sorted(buckets.items()) if below >= 0.99 * pauses), -1.0)


async def _changelog(stage: Stage) -> tuple[float, float]:
    """Bytes and records of the changelog per event, from half of each partition's position on."""
    size: dict[int, int] = defaultdict(int)
    records: dict[int, int] = defaultdict(int)
    marks: dict[int, list[tuple[int, int, int]]] = defaultdict(list)  # position, bytes and records up to there
    async for record in read_to_end(stage.kafka, stage.topics.profile_state):
        number = record.partition
        size[number] += len(record.key) + len(record.value or b"")
        records[number] += 1
        if record.key == PARTITION_KEY:
            marks[number].append((codec.unpack_partition(record.value).position, size[number], records[number]))
    events = total_bytes = total_records = 0
    for number, some in marks.items():
        last = some[-1]
        half = next(mark for mark in some if mark[0] >= last[0] / 2)
        events += stage.references[number].events(last[0]) - stage.references[number].events(half[0])
        total_bytes += last[1] - half[1]
        total_records += last[2] - half[2]
    return total_bytes / max(1, events), total_records / max(1, events)
