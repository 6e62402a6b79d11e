"""How far behind a consumer group is, by its committed offsets. For people and for waiting; no process steers by it."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from agents.errors import Unavailable
from schemas.topics import Topic


async def behind(kafka: str, *, group: str, topic: Topic) -> int:
    """Records of the topic that the group has not committed; all of them before its first commit.

    Raises Unavailable when the broker does not answer.
    """
    partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    try:
        await admin.start()
        await consumer.start()
        committed = await _committed(admin, group, partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
    except KafkaError as error:
        raise Unavailable(
            f"Kafka at {kafka} did not say how far {group} is ({str(error) or type(error).__name__})",
            next_step="see whether the broker is healthy (`cartwheel status`, its log), then try again",
        ) from error
    finally:
        await consumer.stop()
        await admin.close()
    return sum(ends[one] - max(starts[one], committed[one].offset if one in committed else 0) for one in partitions)


async def _committed(admin: Any, group: str, partitions: list[Any]) -> dict[Any, Any]:
    try:
        return dict(await admin.list_consumer_group_offsets(group, partitions=partitions))
    except GroupCoordinatorNotAvailableError:
        return {}  # a young broker has no coordinators yet, so nobody has committed anything
