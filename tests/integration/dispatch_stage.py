"""The stage of the dispatcher tests: commands onto the topic, a dispatcher, then what ledger and receipts say."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiosmtpd.smtp import SMTP

from agents import resources, topics_admin
from agents.dispatch.migrate import search_path
from agents.dispatch.process import DEFAULT_FROM, Options, run
from agents.mailbox import Store
from agents.settings import LOOPBACK, Port, Settings
from agents.stack import members
from agents.topic_reader import read_to_end
from schemas import codec, instants
from schemas.command import Command, Receipt
from schemas.dead_letter import DeadLetter
from schemas.identity import profile_key
from schemas.topics import Topic, topics

SETTLED_SECONDS = 60.0
POLL_SECONDS = 0.1
METRICS_PORT = 19_100  # or the next free one
NOBODY_LISTENS = 9  # the discard port

COMMANDS = "SELECT *, replace(command_id::text, '-', '') AS id FROM commands"


def command(number: int, **changes: Any) -> Command:
    """Command number so and so, decided now and good for 15 minutes."""
    now = time.time_ns() // 1_000_000
    values = {
        "command_id": f"{number:032x}",
        "decision_id": f"{number:032x}",
        "enrollment_id": f"{number:032x}",
        "tenant": "acme",
        "profile_id": f"profile-{number}",
        "flow": "abandoned_checkout",
        "flow_version": "v",
        "step": "remind",
        "visit": 1,
        "channel": "email",
        "addresses": {"email": f"shopper{number}@example.com"},
        "message_class": "marketing",
        "template": "abandoned_checkout",
        "variables": {"trigger": {"checkout_url": f"https://shop.example/{number}"}},
        "decided_at": instants.to_wire(now),
        "not_after": instants.to_wire(now + 900_000),
        "clock": "live",
    }
    return Command(**{**values, **changes})


def ago(seconds: float) -> str:
    """A moment in the past, as on the wire."""
    return instants.to_wire(int((time.time() - seconds) * 1000))


class FaultySmtp:
    """An SMTP server on loopback that keeps messages, unless a test says what happens to them instead.

    `answers` are given to the next messages, one each: a reply line, or `drop` to keep the message and hang up without
    a word. `refused` recipients get a 550.
    """

    def __init__(self, *, answers: Sequence[str] = (), refused: Sequence[str] = ()) -> None:
        self.store = Store()
        self.answers, self.refused = list(answers), refused
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> FaultySmtp:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, loop=loop, hostname="test"), LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer == "drop" or answer.startswith("250"):
            self.store.add(envelope.content, sender=envelope.mail_from, recipients=envelope.rcpt_tos)
        if answer == "drop":
            server.transport.abort()
        return answer


class Stage:
    """One namespace with its topics and ledger."""

    def __init__(self, settings: Settings) -> None:
        assert settings.kafka is not None
        assert settings.postgres is not None
        self.settings, self.kafka, self.dsn = settings, settings.kafka, settings.postgres
        self.topics = topics(settings.namespace, partitions=settings.partitions)
        self._processes: list[asyncio.subprocess.Process] = []

    def close(self) -> None:
        """Leave no process behind."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()

    def options(self, smtp_port: int, **changes: Any) -> Options:
        values = {
            "home": self.settings.home,
            "namespace": self.settings.namespace,
            "partitions": self.settings.partitions,
            "kafka": self.kafka,
            "postgres": self.dsn,
            "smtp_host": LOOPBACK,
            "smtp_port": smtp_port,
            "templates": resources.flows() / "templates",
            "metrics_port": Port("TEST", METRICS_PORT),
            "mail_from": DEFAULT_FROM,
        }
        return Options(**{**values, **changes})

    async def order(self, *commands: Command) -> None:
        """Put commands on their topic."""
        await self.put(*((profile_key(tenant=c.tenant, profile_id=c.profile_id), codec.encode(c)) for c in commands))

    async def put(self, *records: tuple[bytes | None, bytes | None]) -> None:
        """Put anything on the commands topic."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all")
        await producer.start()
        try:
            for key, value in records:
                await producer.send(self.topics.commands.name, value, key=key)
            await producer.flush()
        finally:
            await producer.stop()

    @asynccontextmanager
    async def dispatching(self, smtp_port: int = NOBODY_LISTENS, **changes: Any) -> AsyncIterator[asyncio.Task[None]]:
        """A dispatcher in this process while the body runs; a failure of it is raised at the end."""
        stop = asyncio.Event()
        task = asyncio.create_task(run(self.options(smtp_port, **changes), stop=stop, say=print))
        try:
            yield task
        finally:
            stop.set()
            await task

    async def start_process(self, smtp_port: int, *, kill: str = "") -> asyncio.subprocess.Process:
        """`cartwheel dispatcher` as a process of its own, with a kill point if one is named."""
        environ = {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "CARTWHEEL_HOME": str(self.settings.home),
            "CARTWHEEL_NAMESPACE": self.settings.namespace,
            "CARTWHEEL_PARTITIONS": str(self.settings.partitions),
            "CARTWHEEL_KAFKA": self.kafka,
            "CARTWHEEL_POSTGRES": self.dsn,
            "CARTWHEEL_SMTP": f"{LOOPBACK}:{smtp_port}",
            "CARTWHEEL_KILL_POINT": kill,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agents.cli", "dispatcher", env={**os.environ, **environ}
        )
        self._processes.append(process)
        return process

    async def query(self, sql: str, *arguments: Any) -> list[Any]:
        """Ask the ledger."""
        connection = await asyncpg.connect(self.dsn, server_settings=search_path(self.settings.namespace))
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    async def outcomes(self) -> dict[str, tuple[str, str | None]]:
        """(state, reason) by command id."""
        return {row["id"]: (row["state"], row["reason"]) for row in await self.query(COMMANDS)}

    async def settled(self, count: int) -> dict[str, tuple[str, str | None]]:
        """Wait until so many commands have an outcome and their receipts are out, then return the outcomes."""
        done = "SELECT count(*) FROM commands WHERE receipt_published_at IS NOT NULL"
        await self.until(f"{done} HAVING count(*) >= {count}", f"{count} commands settled")
        return await self.outcomes()

    async def until(self, sql: str, what: str) -> None:
        """Wait until a query finds something."""
        try:
            async with asyncio.timeout(SETTLED_SECONDS):
                while not await self._finds(sql):
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"not within {SETTLED_SECONDS:g} s: {what}; {await self.outcomes()}") from None

    async def metrics(self, holds: Callable[[str], bool]) -> str:
        """The metrics page of the one running dispatcher, as soon as it is as a test wants it."""
        page = ""
        try:
            async with asyncio.timeout(SETTLED_SECONDS):
                while not holds(page):
                    await asyncio.sleep(POLL_SECONDS)
                    urls = [member.metrics_url for member in members(self.settings.home) if member.metrics_url]
                    page = await asyncio.to_thread(read_page, urls[0]) if urls else ""
        except TimeoutError:
            raise AssertionError(f"not within {SETTLED_SECONDS:g} s:\n{page}") from None
        return page

    async def _finds(self, sql: str) -> bool:
        try:
            return bool(await self.query(sql))
        except asyncpg.UndefinedTableError:
            return False  # the dispatcher has not made the ledger yet

    async def end_leases(self) -> None:
        """As if the time of every lease were over."""
        await self.query("UPDATE commands SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL")

    async def receipts(self) -> list[Receipt]:
        """Every receipt on the topic."""
        return [codec.decode(record.value, Receipt) for record in await self._read(self.topics.receipts)]

    async def dead_letters(self) -> list[DeadLetter]:
        """Every dead letter on the topic."""
        return [codec.decode(record.value, DeadLetter) for record in await self._read(self.topics.dead_letters)]

    async def _read(self, topic: Topic) -> list[Any]:
        return [record async for record in read_to_end(self.kafka, topic)]


def read_page(url: str) -> str:
    with urllib.request.urlopen(url) as page:
        return str(page.read().decode())


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Stage]:
    """A stage whose topics exist."""
    stage = Stage(settings)
    await topics_admin.apply(stage.kafka, stage.topics, clock="live")
    try:
        yield stage
    finally:
        stage.close()
