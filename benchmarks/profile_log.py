"""The profile log of a benchmark: written before anything is measured, as intake and a live owner would leave it.

Events carry the instant at which they were written. After every chunk each partition gets the tick that its owner would
append: everything up to a moment ago has been acknowledged, so timers are released through that moment. Without those
ticks no timer would fire before the whole log has been read.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from agents.topic_reader import read_to_end
from benchmarks.reference import Reference
from benchmarks.traffic import Draft, Kind, drafts
from schemas import codec
from schemas.control import TICK_KEY, Progress, Tick
from schemas.instants import to_wire
from schemas.topics import Topics

CHUNK = 4_000  # events between two ticks: 50 to 100 ms of writing
BATCH_BYTES = 512 * 1024

Pair = tuple[bytes, bytes]


async def write(kafka: str, topics: Topics, *, kind: Kind, events: int, seed: int) -> None:
    """Write the events and ticks, and at the end intake's mark for every raw partition."""
    await write_stream(kafka, topics, islice(drafts(seed=seed, kind=kind), events))


async def write_stream(kafka: str, topics: Topics, stream: Iterator[Draft]) -> None:
    """The same for any stream that ends."""
    async with producing(kafka) as producer:
        partition_of = partitioner(topics.profile_log.partitions)
        while chunk := list(islice(stream, CHUNK)):
            pairs: dict[int, list[Pair]] = defaultdict(list)
            for draft in chunk:
                pairs[partition_of(draft.key)].append((draft.key, draft.at(clock_ms())))
            await append(producer, topics.profile_log.name, pairs)
            tick = codec.encode(Tick(through=to_wire(clock_ms())))
            everywhere = range(topics.profile_log.partitions)
            await append(producer, topics.profile_log.name, {number: [(TICK_KEY, tick)] for number in everywhere})
        await append(producer, topics.progress.name, {0: marks(topics.raw.partitions, through_at=clock_ms())})


@asynccontextmanager
async def producing(kafka: str) -> AsyncIterator[Any]:
    """A client that writes large batches."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", compression_type="lz4", max_batch_size=BATCH_BYTES,
        max_request_size=4 * BATCH_BYTES,
    )  # fmt: skip
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def read(kafka: str, topics: Topics) -> list[Reference]:
    """What must be made of the log as the broker recorded it, per partition."""
    references = [Reference() for _ in range(topics.profile_log.partitions)]
    async for record in read_to_end(kafka, topics.profile_log):
        references[record.partition].take(
            offset=record.offset, appended_at=record.timestamp, key=record.key, value=record.value
        )
    return references


def partitioner(partitions: int) -> Callable[[bytes], int]:
    """Kafka's own choice, remembered, as it is slow to compute here."""
    known: dict[bytes, int] = {}

    def partition_of(key: bytes) -> int:
        number = known.get(key)
        if number is None:
            number = known[key] = (murmur2(key) & 0x7FFFFFFF) % partitions
        return number

    return partition_of


async def append(producer: Any, topic: str, pairs: Mapping[int, Iterable[Pair]]) -> None:
    """Append everything and wait until it is acknowledged."""
    sent = [
        await producer.send_batch(batch, topic, partition=number)
        for number, some in pairs.items()
        for batch in batches(producer, some)
    ]
    await asyncio.gather(*sent)


def batches(producer: Any, pairs: Iterable[Pair]) -> list[Any]:
    """These records in as few batches as hold them."""
    made = [producer.create_batch()]
    for key, value in pairs:
        if made[-1].append(key=key, value=value, timestamp=None) is None:
            made[-1].close()
            made.append(producer.create_batch())
            made[-1].append(key=key, value=value, timestamp=None)
    made[-1].close()
    return made


def marks(raw_partitions: int, *, through_at: int) -> list[Pair]:
    """Intake's mark for every raw partition: everything up to there has been forwarded."""
    through = to_wire(through_at)
    return [
        (str(number).encode(), codec.encode(Progress(raw_partition=number, forwarded_through=through, next_offset=0)))
        for number in range(raw_partitions)
    ]


def clock_ms() -> int:
    """The driver's clock, which on one machine is the broker's, too."""
    return time.time_ns() // 1_000_000
