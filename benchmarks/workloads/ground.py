"""The ground that workloads stand on: a broker of its own on the driver's core, and fresh topics for every run."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents import stack, topics_admin
from agents.console import Console
from agents.settings import Settings
from agents.topics_admin import LogIdentity
from benchmarks import machine
from benchmarks.broker import admin
from benchmarks.profile_log import clock_ms
from benchmarks.stage import Stage
from schemas.topics import Topic, topics

READ_SECONDS = 120.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where runs take place."""

    kafka: str
    settings: Settings
    console: Console


@contextmanager
def ground(settings: Settings, *, console: Console) -> Iterator[Ground]:
    """A broker that is gone afterwards. Not to be entered inside an event loop.

    Raises Misconfigured on a machine that is not fit for it, Unavailable when the broker does not start.
    """
    machine.pin_driver()
    quiet = Console(as_json=True)
    stack.down(settings, console=quiet)  # of a run that was killed
    shutil.rmtree(settings.home)
    try:
        kafka = stack.up(settings, console=console).kafka
        yield Ground(kafka=kafka, settings=settings, console=console)
    finally:
        stack.down(settings, console=quiet)
        shutil.rmtree(settings.home)


@asynccontextmanager
async def fresh_log(on: Ground, *, partitions: int) -> AsyncIterator[tuple[Stage, LogIdentity]]:
    """Empty topics on a live clock, under a name of their own and removed afterwards; and a folder for the worker."""
    namespace = f"load-{clock_ms()}"
    declared = topics(namespace, partitions=partitions)
    _, identity = await topics_admin.apply(on.kafka, declared, clock="live")
    stage = Stage(
        kafka=on.kafka,
        topics=declared,
        namespace=namespace,
        cache=on.settings.cache,
        folder=on.settings.home / namespace,
        references=[],
    )
    stage.clear()
    try:
        yield stage, identity
    finally:
        async with admin(on.kafka) as client:
            await client.delete_topics([topic.name for topic in declared])
        shutil.rmtree(stage.folder)


async def ends_of(kafka: str, topic: Topic) -> dict[int, int]:
    """Where each partition of a topic ends."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        return {at.partition: end for at, end in (await consumer.end_offsets(partitions)).items()}
    finally:
        await consumer.stop()


async def later(kafka: str, topic: Topic, after: Mapping[int, int]) -> AsyncIterator[Any]:
    """What stands in a topic beyond these offsets now, each partition in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        begins = {TopicPartition(topic.name, number): offset for number, offset in after.items()}
        consumer.assign(list(begins))
        for partition, offset in begins.items():
            consumer.seek(partition, offset)
        ends = await consumer.end_offsets(list(begins))
        async with asyncio.timeout(READ_SECONDS):
            while unread := [p for p in begins if await consumer.position(p) < ends[p]]:
                for records in (await consumer.getmany(*unread, timeout_ms=1000, max_records=5_000)).values():
                    for record in records:
                        yield record
    finally:
        await consumer.stop()
