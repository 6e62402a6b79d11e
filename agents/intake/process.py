"""The intake process: its Kafka clients, and the error that ends it when Kafka does not do its part."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from agents.errors import Halted, Unavailable
from agents.intake.forwarding import Forwarding
from agents.intake.loop import Loop
from agents.intake.metrics import Metrics
from agents.outgoing import OUTAGE_MS_MAX, close, new_producer
from agents.topics_admin import removed_since
from schemas.command import Clock
from schemas.topics import topics

STOP_SECONDS_MAX = 20.0
WATCH_SECONDS = 5.0
SESSION_MS = 6_000  # after so long without a heartbeat the group gives our partitions to others


async def run(
    *, kafka: str, namespace: str, clock: Clock, metrics: Metrics, stop: asyncio.Event, report_seconds: float = 0.1
) -> None:
    """Run until `stop`. Progress is written every `report_seconds`, which bounds how late it may be.

    Raises `Unavailable` if Kafka does not acknowledge in time, `Misconfigured` if a topic is removed, `Halted` if it
    refuses a record for good.
    """
    names = topics(namespace)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka,
        group_id=f"{namespace}.intake",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=SESSION_MS // 5,
    )
    # Offsets are asked for on a connection of their own: on the consumer's they would wait behind its long fetches.
    asker = AIOKafkaConsumer(bootstrap_servers=kafka, request_timeout_ms=OUTAGE_MS_MAX)
    producer = new_producer(kafka)
    try:
        await asyncio.gather(asker.start(), producer.start())
        partitions = len(await producer.partitions_for(names.profile_log.name))
        forwarding = Forwarding(topics=names, partitions=partitions, clock=clock, metrics=metrics)
        loop = Loop(
            kafka,
            names,
            clock,
            metrics,
            consumer=consumer,
            asker=asker,
            producer=producer,
            forwarding=forwarding,
        )
        consumer.subscribe([names.raw.name], listener=loop)
        await consumer.start()
        await _until(stop, loop.run(stop, report_seconds=report_seconds), _watch(asker, names.raw.name))
    except KafkaError as error:
        raise await removed_since(kafka, names) or _ending(kafka, error) from error
    finally:
        await close(consumer, asker, producer)


async def _until(stop: asyncio.Event, loop: Coroutine[Any, Any, None], watch: Coroutine[Any, Any, None]) -> None:
    """Wait for the loop to end after `stop`, or for one of both to fail.

    While Kafka is away the loop may be inside the client without an end. What is in hand then is not committed.
    """
    tasks = [asyncio.create_task(each) for each in (loop, watch, stop.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await asyncio.wait(tasks[:1], timeout=STOP_SECONDS_MAX)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(asker: Any, topic: str) -> None:
    """Raise `KafkaError` when Kafka is away, which nobody else notices while no partition is ours."""
    while True:
        await asker.end_offsets([TopicPartition(topic, 0)])
        await asyncio.sleep(WATCH_SECONDS)


def _ending(kafka: str, error: KafkaError) -> Halted | Unavailable:
    said = str(error) or type(error).__name__
    if error.retriable or isinstance(error, KafkaTimeoutError):
        return Unavailable(
            f"Kafka at {kafka} did not answer in time ({said})",
            next_step="start intake again when Kafka is back; it goes on where it was",
        )
    return Halted(
        f"Kafka at {kafka} refused what intake asked of it ({said})",
        next_step="`cartwheel topics check` tells whether the topics are as declared; then start intake again",
    )
