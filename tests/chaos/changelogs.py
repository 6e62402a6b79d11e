"""Changelogs in shapes that no worker has made: filled from outside, cut short, gone, of another version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import PolicyViolationError

from agents import topics_admin
from schemas import codec
from schemas.codec import PARTITION_KEY
from schemas.profile import Fact, PartitionRecord, Profile
from schemas.topics import Topic
from tests.e2e.processes import PATIENCE_SECONDS
from tests.integration.engine_log import TENANT
from tests.integration.engine_rig import Rig
from tests.integration.engine_verdict import read

FILL_BATCH_BYTES = 500_000


async def fill(made: Rig, *, profiles: int, filler_bytes: int) -> None:
    """So many states of people to whom nothing has happened yet, as an owner of before would have left them."""
    topic = made.topics.profile_state
    dice = Random(1)
    async with AIOKafkaProducer(
        bootstrap_servers=made.kafka, acks="all", linger_ms=20, max_batch_size=FILL_BATCH_BYTES
    ) as producer:
        for number in range(profiles):
            name = f"filled-{number:07}"
            filler = {"filler": Fact(dice.randbytes(filler_bytes).hex(), 0)}
            state = codec.pack_profile(Profile(tenant=TENANT, profile_id=name, identifiers=filler))
            await producer.send(topic.name, state, key=f"{TENANT}/{name}".encode(), partition=number % topic.partitions)
        await producer.flush()
        for partition in range(topic.partitions):
            await producer.send_and_wait(topic.name, _beginning(made), key=PARTITION_KEY, partition=partition)


async def put(made: Rig, topic: Topic, partition: int, key: bytes, value: bytes) -> None:
    """One record."""
    async with AIOKafkaProducer(bootstrap_servers=made.kafka, acks="all") as producer:
        await producer.send_and_wait(topic.name, value, key=key, partition=partition)


async def cut(made: Rig, topic: Topic, *, share: float) -> None:
    """Records at the beginning of each partition are deleted: so large a share of them, 1 for all.

    The broker does not delete from a topic that is only compacted, so for a moment it is another one.
    """
    ends = [records[-1].offset + 1 if records else 0 for records in await read(made.kafka, topic)]
    below = {TopicPartition(topic.name, number): RecordsToDelete(int(end * share)) for number, end in enumerate(ends)}
    declared = dict(topic.config())
    async with _admin(made.kafka) as admin:
        for config, delete in ((declared | {"cleanup.policy": "delete"}, True), (declared, False)):
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, config)])
            if delete:
                await _until_taken(lambda: admin.delete_records(below))


async def replace(made: Rig, topic: Topic) -> None:
    """The topic is deleted and made anew, under the same name and for the same log."""
    async with _admin(made.kafka) as admin:
        await admin.delete_topics([topic.name])
        while topic.name in {found["topic"] for found in await admin.describe_topics()}:
            await asyncio.sleep(0.1)
    await topics_admin.apply(made.kafka, made.topics, clock="live")


async def _until_taken(ask: Callable[[], Awaitable[object]]) -> None:
    """A new setting reaches the partitions a moment after it was accepted."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(PolicyViolationError):
                await ask()
                return
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _admin(kafka: str) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def _beginning(made: Rig) -> bytes:
    """The record of a partition of which nothing has been read yet."""
    record = PartitionRecord(
        position=0,
        now_at=0,
        watermarks=[],
        through_at=0,
        through_key=None,
        clock="live",
        incarnation=made.identity.incarnation,
    )
    return codec.pack_partition(record)
