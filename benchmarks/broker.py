"""What the driver asks of the broker: empty topics, a group at its beginning, and how far it has come since."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    CommitFailedError,
    GroupCoordinatorNotAvailableError,
    KafkaError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.structs import OffsetAndMetadata

from agents.errors import Unavailable
from schemas.topics import Topic

PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.1
LEAVE_SECONDS = 60.0  # longer than a session, after which a member that died is taken for gone


@asynccontextmanager
async def admin(kafka: str) -> AsyncIterator[Any]:
    """A client for the questions below. Raises Unavailable when the broker does not answer as it should."""
    client = AIOKafkaAdminClient(bootstrap_servers=kafka)
    try:
        await client.start()
        yield client
    except (TimeoutError, KafkaError) as error:
        raise Unavailable(
            f"Kafka at {kafka}: a request failed ({str(error) or type(error).__name__})",
            next_step="look at the log of the benchmark's own broker, then run it again",
        ) from error
    finally:
        await client.close()


async def make_empty(kafka: str, topics: Sequence[Topic]) -> None:
    """Delete these topics if they exist, and create them as they are declared."""
    async with admin(kafka) as client, asyncio.timeout(PATIENCE_SECONDS):
        names = {topic.name for topic in topics}
        for name, code in (await client.delete_topics(sorted(names))).topic_error_codes:
            if code not in (0, UnknownTopicOrPartitionError.errno):
                raise for_code(code)(name)
        while names & {found["topic"] for found in await client.describe_topics()}:
            await asyncio.sleep(PAUSE_SECONDS)
        wanted = [NewTopic(t.name, t.partitions, 1, topic_configs=dict(t.config())) for t in topics]
        for name, code, message in (await client.create_topics(wanted)).topic_errors:
            if code:
                raise for_code(code)(f"{name}: {message}")
        while not names <= _led(await client.describe_topics()):
            await asyncio.sleep(PAUSE_SECONDS)


async def committed(client: Any, group: str, topic: str) -> dict[int, int]:
    """The group's position in each partition of the topic. Asks again for a while if the broker is just busy."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                offsets = await client.list_consumer_group_offsets(group)
                break
            except GroupCoordinatorNotAvailableError:
                await asyncio.sleep(PAUSE_SECONDS)
    return {tp.partition: found.offset for tp, found in offsets.items() if tp.topic == topic and found.offset >= 0}


async def rewind(kafka: str, group: str, topic: Topic) -> None:
    """Let a group begin at the beginning, once its last member is gone. Raises Unavailable if that takes too long."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(partitions)
        async with asyncio.timeout(LEAVE_SECONDS):
            while True:
                try:
                    await consumer.commit({partition: OffsetAndMetadata(0, "") for partition in partitions})
                    return
                except CommitFailedError:
                    await asyncio.sleep(PAUSE_SECONDS)  # somebody is still a member
    except (TimeoutError, KafkaError) as error:
        raise Unavailable(
            f"{group} could not be rewound: {error!r}", next_step="see whether a process of it is still running"
        ) from error
    finally:
        await consumer.stop()


def _led(topics: Sequence[Any]) -> set[str]:
    return {topic["topic"] for topic in topics if all(partition["leader"] >= 0 for partition in topic["partitions"])}
