"""Follows the state topic, which tells how far a worker has durably come, whether or not it lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas import codec
from schemas.codec import CLAIM_KEY, PARTITION_KEY
from schemas.profile import NEVER
from schemas.topics import Topic

POLL_MS = 50


class StateTail:
    """What the topic holds by now, of each key the record that a recovery would believe."""

    def __init__(self, partitions: int) -> None:
        self._positions = [(-1, 0)] * partitions  # epoch, position
        self._wakeups: dict[bytes, tuple[int, int]] = {}  # profile key -> applied offset, wakeup

    @property
    def positions(self) -> list[int]:
        """Per partition of the profile log, all below is in the state."""
        return [position for _, position in self._positions]

    def processed(self) -> int:
        """Records of the profile log, of all partitions, that are in the state."""
        return sum(self.positions)

    def pending(self) -> int:
        """Profiles with a timer."""
        return sum(wakeup_at != NEVER for _, wakeup_at in self._wakeups.values())

    def take(self, record: Any) -> None:
        """One record of the topic."""
        if record.key == CLAIM_KEY or record.value[0] not in codec.STATE_VERSIONS:
            return
        if record.key == PARTITION_KEY:
            known = self._positions[record.partition]
            self._positions[record.partition] = max(known, codec.rank(record.key, record.value))
        else:
            applied_offset, wakeup_at, _ = codec.peek(record.value)
            self._wakeups[record.key] = max(self._wakeups.get(record.key, (-1, NEVER)), (applied_offset, wakeup_at))


@asynccontextmanager
async def following(kafka: str, topic: Topic) -> AsyncIterator[StateTail]:
    """A tail that is kept up to date while the body runs."""
    tail = StateTail(topic.partitions)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")

    async def follow() -> None:
        consumer.assign([TopicPartition(topic.name, number) for number in range(topic.partitions)])
        await consumer.seek_to_beginning()
        while True:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    tail.take(record)

    await consumer.start()
    task = asyncio.create_task(follow())
    try:
        yield tail
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(asyncio.CancelledError, KafkaError):  # what was still being fetched when it was told to stop
            await consumer.stop()
