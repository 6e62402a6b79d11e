"""Follows the progress topic, outside any consumer group: every worker needs all of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.worker.marks import Marks
from schemas import codec
from schemas.control import Progress
from schemas.instants import from_wire
from schemas.topics import Topic

POLL_MS = 1000

log = logging.getLogger("cartwheel.worker")


class ProgressFollower:
    """Feeds `marks` until it is canceled. `caught_up` is set when the topic is read to the end it had at start,
    `moved` whenever something was read.
    """

    def __init__(self, *, kafka: str, topic: Topic, marks: Marks) -> None:
        self._kafka, self._topic, self.marks = kafka, topic, marks
        self.caught_up = asyncio.Event()
        self.moved = asyncio.Event()
        self._heard_at: int | None = None  # when the first record came that was written since we listen

    async def run(self) -> None:
        """Read on and on. Raises what the client raises."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._kafka,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MS,
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(self._topic.name, number) for number in range(self._topic.partitions)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            await consumer.seek_to_beginning(*partitions)
            while True:
                if not self.caught_up.is_set() and await _is_past(consumer, ends):
                    self.caught_up.set()
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    self._take(records)
        finally:
            await consumer.stop()

    def _take(self, records: Iterable[Any]) -> None:
        self.moved.set()
        for record in records:
            try:
                progress = codec.decode(record.value or b"", Progress)
                self.marks.take(progress, fresh=self._is_fresh(progress, written_at=record.timestamp))
            except (codec.Undecodable, ValueError) as error:
                # The mark before it stands, so reminders wait; nothing is released too early.
                log.error("%s/%s@%s is no mark: %s", record.topic, record.partition, record.offset, error)

    def _is_fresh(self, progress: Progress, *, written_at: int) -> bool:
        """Does it speak of a time since we listen? An intake that comes back repeats at first what it knew before."""
        if self._heard_at is None and self.caught_up.is_set():
            self._heard_at = written_at
        return self._heard_at is not None and from_wire(progress.forwarded_through) >= self._heard_at


async def _is_past(consumer: Any, ends: dict[TopicPartition, int]) -> bool:
    return all([await consumer.position(partition) >= end for partition, end in ends.items()])
