"""Open-loop load: events leave at the moments of a schedule, whatever becomes of the ones before.

Every event bears the moment at which it was meant to leave, so that nothing that stalls, the driver included, hides
from a latency that is counted from there.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, NamedTuple, Protocol

from benchmarks.profile_log import append, batches, clock_ms, marks, partitioner
from benchmarks.stage import Stage
from schemas.topics import Topics

SLOT_MS = 10  # what comes in such a time leaves at its beginning, as from an intake that forwards what it has fetched
LEAD_MS = 200
MARK_SECONDS = 0.02  # between two marks of intake as it is shipped, while events come


class Happening(Protocol):
    """An event that is told when it happens."""

    @property
    def key(self) -> bytes: ...
    def at(self, instant: int) -> bytes:
        """As it stands on the log if it happened then."""
        ...


class Addressed(NamedTuple):
    """An event, and the partition that it goes to."""

    partition: int
    happening: Happening


class Span(NamedTuple):
    """From and to when a load was played."""

    begun_at: int
    ended_at: int


def address(stream: Iterable[Happening], *, partitions: int, count: int) -> list[Addressed]:
    """So many events, made before they are needed."""
    partition_of = partitioner(partitions)
    return [Addressed(partition_of(one.key), one) for one in islice(stream, count)]


async def play(producer: Any, stage: Stage, events: Sequence[Addressed], *, per_second: float) -> Span:
    """Send all of them at this rate, and wait until they are acknowledged."""
    begun_at, sent, position, slot = clock_ms() + LEAD_MS, [], 0, 0
    while position < len(events):
        at = begun_at + slot * SLOT_MS
        slot += 1
        until = min(len(events), int(slot * per_second * SLOT_MS / 1000))
        pairs: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        for partition, happening in events[position:until]:
            pairs[partition].append((happening.key, happening.at(at)))
        position = until
        await asyncio.sleep(max(0, at - clock_ms()) / 1000)
        for partition, some in pairs.items():
            for batch in batches(producer, some):
                sent.append(await producer.send_batch(batch, stage.topics.profile_log.name, partition=partition))
    await asyncio.gather(*sent)
    return Span(begun_at, begun_at + slot * SLOT_MS)


@asynccontextmanager
async def marking(producer: Any, topics: Topics) -> AsyncIterator[None]:
    """Write intake's marks while the body runs, as intake does when nothing is left to forward.

    It writes the mark that it has, then asks for the end of the raw topic, and as it is there, writes the answer.
    """
    task = asyncio.create_task(_mark(producer, topics))
    try:
        yield
    finally:
        task.cancel()


async def _mark(producer: Any, topics: Topics) -> None:
    async def write() -> None:
        await append(producer, topics.progress.name, {0: marks(topics.raw.partitions, through_at=asked_at - 1)})

    asked_at = clock_ms()
    while True:
        await write()
        asked_at = clock_ms()
        await write()
        await asyncio.sleep(MARK_SECONDS)
