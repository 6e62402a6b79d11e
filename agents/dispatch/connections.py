"""What the dispatcher is connected to, each opened and closed in one place: Kafka and the senders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from email.headerregistry import Address
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer

from agents.dispatch.senders import LogSender, Sender
from agents.dispatch.smtp import SmtpSender
from agents.dispatch.templates import Templates
from agents.outgoing import new_producer

SMTP_LANES = 8


@asynccontextmanager
async def producing(kafka: str) -> AsyncIterator[Any]:
    """A producer whose acknowledgements mean: written by all replicas, once."""
    producer = new_producer(kafka)
    async with _started(producer):
        yield producer


@asynccontextmanager
async def consuming(kafka: str, *, topic: str, group: str) -> AsyncIterator[Any]:
    """A member of a group, which commits only when told to."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    async with _started(consumer):
        # Not before the start, which would then wait for partitions; with a dead member in the group that takes long.
        consumer.subscribe([topic])
        yield consumer


@asynccontextmanager
async def _started(client: Any) -> AsyncIterator[None]:
    try:
        await client.start()
        yield
    finally:
        await client.stop()


@asynccontextmanager
async def senders(
    *, smtp_host: str, smtp_port: int, mail_from: Address, templates: Path
) -> AsyncIterator[Mapping[str, Sequence[Sender]]]:
    """The senders by name, one for each lane."""
    shared = Templates(templates)
    smtp = [
        SmtpSender(host=smtp_host, port=smtp_port, mail_from=mail_from, templates=shared) for _ in range(SMTP_LANES)
    ]
    try:
        yield {SmtpSender.name: smtp, LogSender.name: [LogSender()]}
    finally:
        await asyncio.gather(*(sender.close() for sender in smtp))
