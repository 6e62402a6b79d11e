"""The desk: where orders are written to the definitions topic, one after the other."""

from __future__ import annotations

import getpass
import time
import uuid
from collections.abc import Mapping

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.definitions.book import NOTHING, ORDER_KEY, Book, read_book
from agents.definitions.changes import Change, Draft, Make, Stamp
from agents.errors import Unavailable
from schemas import codec
from schemas.activation import definition_key
from schemas.instants import to_wire
from schemas.topics import Topics
from streams.plugins import NO_PLUGINS, Name, Plugin

#: Orders that others have given meanwhile, before ours is given up.
ATTEMPTS_MAX = 10


async def carry_out(
    kafka: str, topics: Topics, make: Make, *, plugins: Mapping[Name, Plugin] = NO_PLUGINS
) -> tuple[Book, tuple[Change, ...]]:
    """Write an order, made anew for as long as others come before it. Returns what holds now, and what has changed.
    Flows of the book may ask these plug-ins.

    Raises Unavailable when Kafka does not answer, or ten others came first.
    """
    for _ in range(ATTEMPTS_MAX):
        book = await read_book(kafka, topics, plugins=plugins)
        draft = make(book, stamp())
        number = await _write(kafka, topics, draft)
        if number != NOTHING:
            book = await read_book(kafka, topics, plugins=plugins)
        if draft.order is None or book.is_valid(number):
            return book, draft.changes
    raise Unavailable(
        f"{ATTEMPTS_MAX} orders of others came before ours",
        next_step="find out who gives them (`cartwheel flows list` names the last one), then try again",
    )


def stamp() -> Stamp:
    """Now, and the account that runs this."""
    return Stamp(at=to_wire(time.time_ns() // 1_000_000), by=operator())


def operator() -> str:
    """The name of the account, for those who read later who did something."""
    try:
        return getpass.getuser()[:128]
    except (KeyError, OSError):  # an account without a name
        return "unknown"


async def _write(kafka: str, topics: Topics, draft: Draft) -> int:
    """Definitions, and when they are acknowledged the order. Its offset; -1 if nothing was written."""
    if draft.order is None and not draft.definitions:
        return NOTHING
    topic, offset = topics.definitions.name, NOTHING
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        for flow, version, definition in draft.definitions:
            key = definition_key(flow=flow, version=version)
            await producer.send_and_wait(topic, codec.encode(definition), key=key, partition=0)
        if draft.order is not None:
            key = ORDER_KEY + uuid.uuid4().hex.encode()
            offset = (await producer.send_and_wait(topic, codec.encode(draft.order), key=key, partition=0)).offset
    except KafkaError as error:
        raise Unavailable(
            f"Kafka at {kafka}: {topic} could not be written ({str(error) or type(error).__name__})",
            next_step="see whether the broker is healthy (`cartwheel status`, its log), then try again",
        ) from error
    finally:
        await producer.stop()
    return int(offset)
