"""Asks the broker where the log ends, by a client of its own that shares nothing with the one that reads."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

ANSWER_SECONDS = 5.0


class LogEnds:
    """Connects when it is first asked. `None` for an answer means that the broker gave none in time."""

    def __init__(self, *, kafka: str, topic: str, beside: Sequence[str] = ()) -> None:
        """`beside` are topics that must be there as well for an answer."""
        self._kafka, self._topic, self._beside = kafka, topic, beside
        self._consumer: Any = None

    async def ends(self, numbers: Collection[int]) -> dict[int, int] | None:
        """The offset after the last record of each partition."""
        partitions = [TopicPartition(self._topic, number) for number in numbers]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                consumer = await self._connected()
                ends = await consumer.end_offsets([*partitions, *(TopicPartition(name, 0) for name in self._beside)])
        except (TimeoutError, KafkaError):
            return None
        return {one.partition: ends[one] for one in partitions}

    async def missing(self) -> list[str]:
        """Those of the topics that the cluster does not know; none if it does not answer."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                known = await (await self._connected()).topics()
        except (TimeoutError, KafkaError):
            return []
        return [name for name in (self._topic, *self._beside) if name not in known]

    async def appended_at(self, number: int, offset: int) -> int | None:
        """The append time of the first record from an offset on."""
        one = TopicPartition(self._topic, number)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                consumer = await self._connected()
                consumer.assign([one])
                consumer.seek(one, offset)
                record = await consumer.getone(one)
        except (TimeoutError, KafkaError):
            return None
        finally:
            if self._consumer is not None:
                self._consumer.unsubscribe()
        return int(record.timestamp)

    async def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def _connected(self) -> Any:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._kafka,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=1,  # one batch comes all the same, and one is enough
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer
