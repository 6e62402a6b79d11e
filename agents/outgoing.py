"""Outgoing records: filled into explicit batches per partition, handed over in order, acknowledged together.

Explicit batches cost a quarter of single sends, and their order in a partition is that of filling them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from schemas.topics import MAX_MESSAGE_BYTES

BATCH_BYTES_MAX = 512 * 1024
OUTAGE_MS_MAX = 30_000  # a record that is not acknowledged for so long is an error
CLOSE_SECONDS_MAX = 5.0
Headers = list[tuple[str, bytes]]


def new_producer(kafka: str) -> Any:
    """A producer that keeps order, repeats nothing, and counts as written what every in-sync replica has."""
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

    async def hand_over(self) -> list[Any]:
        """Give all to the client. A future is done when every in-sync replica has its batch, or raises `KafkaError`."""
        handed = []
        while self._batches:
            for (topic, partition), batches in list(self._batches.items()):
                handed.append(await self._producer.send_batch(batches.popleft(), topic, partition=partition))
                if not batches:
                    del self._batches[topic, partition]
        return handed
