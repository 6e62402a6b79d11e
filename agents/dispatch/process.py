"""The dispatcher as a whole: connects, runs its loops together, and stops them in an order that loses nothing."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.headerregistry import Address
from pathlib import Path

from aiokafka.errors import KafkaError

from agents import topics_admin
from agents.dead_letters.waiting import Waiting, follow
from agents.dispatch import connections
from agents.dispatch.database import connected
from agents.dispatch.leases import Leases
from agents.dispatch.measuring import measure
from agents.dispatch.metrics import Metrics
from agents.dispatch.migrate import migrate
from agents.dispatch.reading import Reading
from agents.dispatch.receipts import Receipts
from agents.dispatch.sending import Sending
from agents.errors import Misconfigured, Unavailable
from agents.loops import before, together
from agents.metrics_page import metrics_page
from agents.settings import Port
from agents.share import Share
from agents.stack import announced, wait_for_kafka, wait_for_postgres
from schemas.topics import topics

DEFAULT_FROM = Address("Shop", "shop", "localhost")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a dispatcher is started with; `kafka` and `postgres` are addresses as the settings have them."""

    home: Path
    namespace: str
    partitions: int
    kafka: str
    postgres: str
    smtp_host: str
    smtp_port: int
    templates: Path
    metrics_port: Port
    mail_from: Address
    carried: bool = False
    """Whether commands on a carried clock are carried out, which only ever reaches this machine."""
    patience_seconds: float = 30.0
    """How long Kafka may be absent at the start, and PostgreSQL at any time."""


async def run(options: Options, *, stop: asyncio.Event, say: Say) -> None:
    """Dispatch until `stop` is set; then finish what is being sent and return within 30 s.

    Raises `Misconfigured` before anything is touched, `CheckFailed` for topics that are not as declared, `Unavailable`
    if Kafka or PostgreSQL is absent for longer than our patience, and `Halted` if going on would break a promise.
    """
    check(options)
    if not await before(stop, _prepare(options, say=say)):
        return
    try:
        await _dispatch(options, stop=stop, say=say)
    except KafkaError as error:
        raise await topics_admin.removed_since(options.kafka, topics(options.namespace)) or Unavailable(
            f"Kafka at {options.kafka} failed ({str(error) or type(error).__name__})",
            next_step="see whether it is healthy, then start the dispatcher again; nothing is lost",
        ) from error


def check(options: Options) -> None:
    """Refuse a combination that could mail real people by mistake. Raises `Misconfigured`."""
    if is_loopback(options.smtp_host):
        return
    if options.carried:
        raise Misconfigured(
            f"with --carried, messages may only go to this machine, and the SMTP server is {options.smtp_host}",
            next_step="set CARTWHEEL_SMTP to a loopback address such as 127.0.0.1:1025, or leave --carried out",
        )
    if options.mail_from.domain == DEFAULT_FROM.domain:
        raise Misconfigured(
            f"messages to {options.smtp_host} would come from {options.mail_from.addr_spec}",
            next_step="say with --from who sends them",
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _prepare(options: Options, *, say: Say) -> None:
    await wait_for_kafka(options.kafka, say=say, seconds=options.patience_seconds)
    declared = topics(options.namespace, partitions=options.partitions)
    if differences := await topics_admin.check(options.kafka, declared):
        raise topics_admin.refusal(differences)
    await wait_for_postgres(options.postgres, say=say, seconds=options.patience_seconds)
    await migrate(options.postgres, namespace=options.namespace)


async def _dispatch(options: Options, *, stop: asyncio.Event, say: Say) -> None:
    names, metrics = topics(options.namespace), Metrics()
    taken, finished = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            connected(options.postgres, namespace=options.namespace, patience_seconds=options.patience_seconds)
        )
        producer = await stack.enter_async_context(connections.producing(options.kafka))
        lanes = await stack.enter_async_context(
            connections.senders(
                smtp_host=options.smtp_host,
                smtp_port=options.smtp_port,
                mail_from=options.mail_from,
                templates=options.templates,
            )
        )
        metrics_url = stack.enter_context(metrics_page(metrics.registry, port=options.metrics_port))
        stack.enter_context(announced(options.home, "dispatcher", metrics_url=metrics_url))
        share = Share(
            "dispatcher",
            producer=producer,
            dead_letters=names.dead_letters.name,
            refused=metrics.dead_letters,
            lag=metrics.lag,
        )
        reading = Reading(share=share, database=database, metrics=metrics, taken=taken)
        sending = Sending(
            leases=Leases(database),
            lanes=lanes,
            carried=options.carried,
            metrics=metrics,
            taken=taken,
            finished=finished,
        )
        receipts = Receipts(producer=producer, topic=names.receipts.name, database=database, finished=finished)
        waiting = Waiting(kept_ms=names.dead_letters.retention_ms or 0)
        metrics.registry.register(waiting)
        following = follow(waiting, kafka=options.kafka, topic=names.dead_letters, stop=stop)
        measuring = measure(database, metrics=metrics, reading=reading, stop=stop)
        say(f"dispatcher: READY, metrics at {metrics_url}")
        consuming = connections.consuming(
            options.kafka, topic=names.commands.name, group=f"{options.namespace}.dispatcher"
        )
        await together(
            [reading.run(consuming, stop), sending.run(stop), receipts.run(stop), measuring, following],
            stop=stop,
            last=receipts.publish,
            name="dispatcher",
        )
