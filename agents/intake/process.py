"""The intake process: its Kafka clients, and the error that ends it when Kafka does not do its part."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from agents.errors import Halted, Unavailable
from agents.intake.forwarding import Forwarding
from agents.intake.loop import Loop
from agents.intake.metrics import Metrics
from agents.outgoing import OUTAGE_MS_MAX, new_producer
from schemas.command import Clock
from schemas.topics import topics

SESSION_MS = 6_000  # after so long without a heartbeat the group gives our partitions to others


async def run(
    *, kafka: str, namespace: str, clock: Clock, metrics: Metrics, stop: asyncio.Event, report_seconds: float = 0.2
) -> None:
    """Run until `stop`. Progress is written every `report_seconds`, which bounds how late it may be.

    Raises `Unavailable` if Kafka does not acknowledge in time, `Halted` if it refuses a record for good.
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
    asker, producer = AIOKafkaConsumer(bootstrap_servers=kafka), new_producer(kafka)
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
        await loop.run(stop, report_seconds=report_seconds)
    except KafkaError as error:
        raise _ending(kafka, error) from error
    finally:
        await asyncio.gather(consumer.stop(), asker.stop(), producer.stop())


def _ending(kafka: str, error: KafkaError) -> Halted | Unavailable:
    said = str(error) or type(error).__name__
    if error.retriable or isinstance(error, KafkaTimeoutError):
        message = f"Kafka at {kafka} did not answer for {OUTAGE_MS_MAX // 1000} s ({said})"
        return Unavailable(message, next_step="start intake again when Kafka is back; it goes on where it was")
    return Halted(
        f"Kafka at {kafka} refused what intake asked of it ({said})",
        next_step="`cartwheel topics check` tells whether the topics are as declared; then start intake again",
    )
