"""Single records on a profile log, and a look at what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas import codec
from schemas.control import APPENDED_AT_HEADER, Progress, Watermark
from schemas.instants import to_wire
from schemas.topics import Topic
from tests.integration.engine_rig import Rig
from tests.integration.engine_verdict import read

WAIT_SECONDS = 30
TENANT = "shop"


def event(profile: str, type_: str, *, at: int, id_: str | None = None) -> dict[str, Any]:
    """A canonical event; `at` in milliseconds."""
    return {
        "id": id_ or f"{profile}-{type_}-{at}",
        "source": "shop.orders",
        "type": type_,
        "time": to_wire(at),
        "tenant": TENANT,
        "identity": {"profile_id": profile},
    }


async def append(made: Rig, partition: int, *records: tuple[bytes, bytes], carried_at: int | None = None) -> None:
    """Put records on a partition of the profile log, with a carried time if one is given."""
    headers = [] if carried_at is None else [(APPENDED_AT_HEADER, str(carried_at).encode())]
    async with AIOKafkaProducer(bootstrap_servers=made.kafka, acks="all") as producer:
        for key, value in records:
            await producer.send_and_wait(
                made.topics.profile_log.name, value, key=key, partition=partition, headers=headers
            )


async def append_event(made: Rig, partition: int, body: dict[str, Any], *, carried_at: int | None = None) -> None:
    """Put an event on a partition of the profile log."""
    key = f"{TENANT}/{body['identity']['profile_id']}".encode()
    await append(made, partition, (key, orjson.dumps(body)), carried_at=carried_at)


async def remove(kafka: str, *names: str) -> None:
    """Delete topics, and return when the broker does not list them any more, which may be later than its answer."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics(list(names))
        async with asyncio.timeout(WAIT_SECONDS):
            while not set(names).isdisjoint(await admin.list_topics()):
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def mark(made: Rig, *, through: int, promise: int | None = None, raw_partitions: Sequence[int]) -> None:
    """Say that intake has forwarded some raw partitions up to an instant, and what the source has promised there."""
    promises: tuple[Watermark, ...] = ()
    if promise is not None:
        promises = (Watermark(source="shop.orders", complete_through=to_wire(promise), tenant=TENANT),)
    async with AIOKafkaProducer(bootstrap_servers=made.kafka, acks="all") as producer:
        for number in raw_partitions:
            progress = Progress(
                raw_partition=number, forwarded_through=to_wire(through), next_offset=0, watermarks=promises
            )
            await producer.send_and_wait(made.topics.progress.name, codec.encode(progress), key=str(number).encode())


async def until(made: Rig, topic: Topic, wanted: Callable[[list[Any]], bool]) -> list[Any]:
    """Every record of a topic, as soon as together they are what is waited for."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            records = [record for records in await read(made.kafka, topic) for record in records]
            if wanted(records):
                return records
            await asyncio.sleep(0.2)


async def committed(made: Rig) -> list[int]:
    """What the group of the workers has committed, per partition of the profile log."""
    topic = made.topics.profile_log
    partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=made.kafka, group_id=f"{made.namespace}.worker") as consumer:
        consumer.assign(partitions)
        return [await consumer.committed(partition) for partition in partitions]
