"""Outgoing records: filled into explicit batches per partition, handed over in order, acknowledged together.

Explicit batches cost a quarter of single sends, and their order in a partition is that of filling them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, NotLeaderForPartitionError, UnknownTopicOrPartitionError
from aiokafka.partitioner import murmur2

from agents.compression import keep_contexts
from agents.topics_admin import removed
from schemas.topics import MAX_MESSAGE_BYTES

BATCH_BYTES_MAX = 512 * 1024
OUTAGE_MS_MAX = 30_000  # a record that is not acknowledged for so long is an error
CLOSE_SECONDS_MAX = 5.0
Headers = list[tuple[str, bytes]]
#: What a client is told, or tells itself, of a partition that nobody knows.
UNKNOWN = (NotLeaderForPartitionError, UnknownTopicOrPartitionError)


def new_producer(kafka: str) -> Any:
    """A producer that keeps order, repeats nothing, and counts as written what every in-sync replica has."""
    keep_contexts()
    return AIOKafkaProducer(
        bootstrap_servers=kafka,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=MAX_MESSAGE_BYTES,
        request_timeout_ms=OUTAGE_MS_MAX,
    )


async def close(*clients: Any) -> None:
    """Close Kafka clients. Without Kafka they would try for minutes, and raise at last what hides why we end."""
    closing = [asyncio.create_task(client.stop()) for client in clients]
    await asyncio.wait(closing, timeout=CLOSE_SECONDS_MAX)


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """Kafka's own choice of a partition for a key, kept because computing it costs more than finding it."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


@dataclass(frozen=True, slots=True)
class Written:
    """A batch that every in-sync replica has. `appended_at` is the broker's append time in milliseconds."""

    base_offset: int
    """Of its first record; -1 if a retry was told that the batch is there already, but not where."""
    count: int
    appended_at: int


async def send(producer: Any, topic: str, partition: int, batch: Any) -> Awaitable[Written]:
    """Hand a batch to the client, in the order of calls per partition. The result is there when it is written.

    Both raise `KafkaError`, and `Misconfigured` for a topic that is not there any more.
    """
    try:
        written = await producer.send_batch(batch, topic, partition=partition)
    except UNKNOWN as error:
        raise await _told(producer, topic, error) from error
    return _acknowledged(written, producer, topic, batch.record_count())


async def _acknowledged(written: Awaitable[Any], producer: Any, topic: str, count: int) -> Written:
    try:
        metadata = await written
    except UNKNOWN as error:
        raise await _told(producer, topic, error) from error
    return Written(metadata.offset, count, metadata.timestamp)


async def _told(producer: Any, topic: str, error: KafkaError) -> Exception:
    """Its own words, unless the cluster says that the topic is gone."""
    cluster = await producer.client.fetch_all_metadata()
    return error if topic in cluster.topics() else removed(topic)


class Outgoing:
    """Records on their way out, in the order in which they were added to each partition."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._batches: dict[tuple[str, int], deque[Any]] = {}

    def add(
        self, topic: str, partition: int, *, key: bytes | None, value: bytes, headers: Headers | None = None
    ) -> None:
        """Add one record. One that is larger than a batch becomes a batch of its own."""
        batches = self._batches.setdefault((topic, partition), deque())
        if batches and batches[-1].append(timestamp=None, key=key, value=value, headers=headers or []) is not None:
            return
        batches.append(self._producer.create_batch())
        batches[-1].append(timestamp=None, key=key, value=value, headers=headers or [])

    async def hand_over(self) -> list[Awaitable[Written]]:
        """Give all to the client, as `send` does."""
        handed = []
        while self._batches:
            for (topic, partition), batches in list(self._batches.items()):
                handed.append(await send(self._producer, topic, partition, batches.popleft()))
                if not batches:
                    del self._batches[topic, partition]
        return handed
