"""The projector as a whole: connects, runs its loops together, and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from aiokafka.errors import KafkaError

from agents import topics_admin
from agents.dispatch import connections
from agents.dispatch.database import connected
from agents.dispatch.migrate import migrate
from agents.errors import Unavailable
from agents.loops import before, together
from agents.metrics_page import metrics_page
from agents.projector.metrics import Metrics
from agents.projector.reading import Reading
from agents.settings import Port
from agents.share import Share
from agents.stack import announced, wait_for_kafka, wait_for_postgres
from schemas.topics import topics

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a projector is started with; `kafka` and `postgres` are addresses as the settings have them."""

    home: Path
    namespace: str
    partitions: int
    kafka: str
    postgres: str
    metrics_port: Port
    patience_seconds: float = 30.0
    """How long Kafka may be absent at the start, and PostgreSQL at any time."""


async def run(options: Options, *, stop: asyncio.Event, say: Say) -> None:
    """Project until `stop` is set; then finish the batch in hand.

    Raises `CheckFailed` for topics that are not as declared, `Unavailable` if Kafka or PostgreSQL is absent for longer
    than our patience, and `Halted` for one day of decisions too many.
    """
    if not await before(stop, _prepare(options, say=say)):
        return
    try:
        await _project(options, stop=stop, say=say)
    except KafkaError as error:
        raise await topics_admin.removed_since(options.kafka, topics(options.namespace)) or Unavailable(
            f"Kafka at {options.kafka} failed ({str(error) or type(error).__name__})",
            next_step="see whether it is healthy, then start the projector again; nothing is lost",
        ) from error


async def _prepare(options: Options, *, say: Say) -> None:
    await wait_for_kafka(options.kafka, say=say, seconds=options.patience_seconds)
    declared = topics(options.namespace, partitions=options.partitions)
    if differences := await topics_admin.check(options.kafka, declared):
        raise topics_admin.refusal(differences)
    await wait_for_postgres(options.postgres, say=say, seconds=options.patience_seconds)
    await migrate(options.postgres, namespace=options.namespace)


async def _project(options: Options, *, stop: asyncio.Event, say: Say) -> None:
    names, metrics = topics(options.namespace), Metrics()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            connected(options.postgres, namespace=options.namespace, patience_seconds=options.patience_seconds)
        )
        producer = await stack.enter_async_context(connections.producing(options.kafka))
        metrics_url = stack.enter_context(metrics_page(metrics.registry, port=options.metrics_port))
        stack.enter_context(announced(options.home, "projector", metrics_url=metrics_url))
        share = Share(
            "projector",
            producer=producer,
            dead_letters=names.dead_letters.name,
            refused=metrics.dead_letters,
            lag=metrics.lag,
        )
        reading = Reading(share=share, database=database, metrics=metrics)
        say(f"projector: READY, metrics at {metrics_url}")
        group = f"{options.namespace}.projector"
        consuming = connections.consuming(options.kafka, topic=names.decisions.name, group=group)
        await together([reading.run(consuming, stop), reading.look(stop)], stop=stop, name="projector")
