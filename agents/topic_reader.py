"""Reads a whole topic, from its beginning to the end it has now, outside any consumer group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.errors import Unavailable
from schemas.topics import Topic

SILENT_POLLS_MAX = 30  # of one second each, without a record, before the topic counts as unreadable


async def read_to_end(kafka: str, topic: Topic) -> AsyncIterator[Any]:
    """Every record of the topic, each partition in order. Raises Unavailable after 30 s without progress."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        silent = 0
        while unread := [p for p in partitions if await consumer.position(p) < ends[p]]:
            batches = await consumer.getmany(*unread, timeout_ms=1000, max_records=5_000)
            silent = 0 if batches else silent + 1
            if silent > SILENT_POLLS_MAX:
                raise _unreadable(kafka, topic.name, "no record came for 30 s")
            for partition, records in batches.items():
                for record in records:
                    if record.offset < ends[partition]:
                        yield record
    except KafkaError as error:
        raise _unreadable(kafka, topic.name, str(error) or type(error).__name__) from error
    finally:
        await consumer.stop()


def _unreadable(kafka: str, topic: str, why: str) -> Unavailable:
    return Unavailable(
        f"Kafka at {kafka}: {topic} could not be read ({why})",
        next_step="see whether the broker is healthy (`cartwheel status`, its log), then try again",
    )
