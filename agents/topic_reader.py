"""Reads topics outside any consumer group: a whole one to the end it has now, or a stretch of one partition."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.errors import Unavailable
from schemas.topics import Topic

SILENT_POLLS_MAX = 30  # of one second each, without a record, before the topic counts as unreadable


async def read_to_end(kafka: str, topic: Topic) -> AsyncIterator[Any]:
    """Every record of the topic, each partition in order. Raises Unavailable after 30 s without progress."""
    async with _reader(kafka, topic.name) as consumer:
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        async for record in _read(consumer, kafka, ends):
            yield record


async def read_range(kafka: str, topic: str, partition: int, *, first: int, end: int) -> AsyncIterator[Any]:
    """The records of one partition from offset `first` on, below `end`; those compacted away are left out.

    Raises Unavailable after 30 s without progress.
    """
    async for record in read_stretches(kafka, topic, {partition: (first, end)}):
        yield record


async def read_stretches(kafka: str, topic: str, stretches: Mapping[int, tuple[int, int]]) -> AsyncIterator[Any]:
    """The same of several partitions: from an offset on, below another one."""
    ends = {TopicPartition(topic, number): end for number, (_, end) in stretches.items()}
    async with _reader(kafka, topic) as consumer:
        consumer.assign(list(ends))
        for one in ends:
            consumer.seek(one, stretches[one.partition][0])
        async for record in _read(consumer, kafka, ends):
            yield record


@asynccontextmanager
async def _reader(kafka: str, topic: str) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        yield consumer
    except KafkaError as error:
        raise _unreadable(kafka, topic, str(error) or type(error).__name__) from error
    finally:
        await consumer.stop()


async def _read(consumer: Any, kafka: str, ends: dict[TopicPartition, int]) -> AsyncIterator[Any]:
    silent = 0
    while unread := [one for one in ends if await consumer.position(one) < ends[one]]:
        batches = await consumer.getmany(*unread, timeout_ms=1000, max_records=5_000)
        silent = 0 if batches else silent + 1
        if silent > SILENT_POLLS_MAX:
            raise _unreadable(kafka, unread[0].topic, "no record came for 30 s")
        for one, records in batches.items():
            for record in records:
                if record.offset < ends[one]:
                    yield record


def _unreadable(kafka: str, topic: str, why: str) -> Unavailable:
    return Unavailable(
        f"Kafka at {kafka}: {topic} could not be read ({why})",
        next_step="see whether the broker is healthy (`cartwheel status`, its log), then try again",
    )
