"""The whole pipeline on real Kafka and PostgreSQL: its processes, which a test kills and starts again; its topics."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents import topics_admin
from agents.dispatch.migrate import search_path
from agents.groups import behind
from agents.settings import Settings
from agents.topics_admin import LogIdentity
from schemas.command import Clock
from schemas.topics import Topic, Topics, topics
from tests.e2e.processes import PATIENCE_SECONDS, Process
from tests.e2e.state_tail import StateTail, following

INSTANCE = "one"
STATE_BATCH_BYTES = 2_000  # small, so that there is something between two of them
SESSION_SECONDS = 6  # the shortest that is allowed
POLL_SECONDS = 0.05


class Pipeline:
    """Made by `pipeline`. Processes that still run at the end are killed."""

    def __init__(
        self, settings: Settings, *, flows: Path, clock: Clock, declared: Topics, identity: LogIdentity
    ) -> None:
        assert settings.kafka is not None
        assert settings.postgres is not None
        self.settings, self.kafka, self.dsn = settings, settings.kafka, settings.postgres
        self.flows, self.topics, self.identity = flows, declared, identity
        self.processes: list[Process] = []
        self.environ = {
            "CARTWHEEL_HOME": str(settings.home),
            "CARTWHEEL_KAFKA": self.kafka,
            "CARTWHEEL_POSTGRES": self.dsn,
            "CARTWHEEL_NAMESPACE": settings.namespace,
            "CARTWHEEL_PARTITIONS": str(settings.partitions),
        }
        self._arguments = {
            "intake": ("--report-ms", "100"),
            "worker": (
                *("--flows", str(flows), "--instance", INSTANCE, "--session-seconds", str(SESSION_SECONDS)),
                *("--state-batch-bytes", str(STATE_BATCH_BYTES)),
            ),
            "dispatcher": ("--carried",) if clock == "carried" else (),
        }
        self.tail: StateTail

    async def start(self, name: str, *, kill: str = "") -> Process:
        """Start intake, worker or dispatcher, with a kill point if one is named."""
        process = await Process.start(name, *self._arguments[name], environ=self.environ, kill=kill)
        self.processes.append(process)
        return process

    def wipe(self) -> None:
        """The disk of the worker, which is not running, is gone."""
        shutil.rmtree(self.settings.home / "worker", ignore_errors=True)

    async def until(self, holds: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until something holds; fails at once if a process fails."""
        words: list[str] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (words := [process.last_words() for process in self.processes if process.has_failed()]):
                    if holds():
                        return
                    await asyncio.sleep(POLL_SECONDS)
        words = words or [process.last_words() for process in self.processes if process.is_running()]
        raise AssertionError("\n".join([f"not within {seconds:g} s: {what}", *words]))

    async def forwarded(self) -> None:
        """Wait until intake has taken all of the raw topic."""
        group = f"{self.settings.namespace}.intake"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await behind(self.kafka, group=group, topic=self.topics.raw):
                await asyncio.sleep(2 * POLL_SECONDS)

    async def processed(self) -> None:
        """Wait until the state holds all that the profile log has now."""
        ends = await self.ends(self.topics.profile_log)
        done: Callable[[], bool] = lambda: all(p >= end for p, end in zip(self.tail.positions, ends, strict=True))  # noqa: E731
        await self.until(done, f"the state topic to reach {ends}")

    async def ends(self, topic: Topic) -> list[int]:
        """The end offsets of a topic."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka)
        await consumer.start()
        try:
            ends = await consumer.end_offsets([TopicPartition(topic.name, n) for n in range(topic.partitions)])
        finally:
            await consumer.stop()
        return [ends[TopicPartition(topic.name, number)] for number in range(topic.partitions)]

    async def answers(self, sql: str, count: int) -> None:
        """Wait until the ledger answers a question for a number with at least so many."""
        found: list[int] = [0]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while found[0] < count:
                    await asyncio.sleep(2 * POLL_SECONDS)
                    found = [row[0] for row in await self.query(sql)] or [0]
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE_SECONDS:g} s: {sql} >= {count}, but {found}") from None

    async def query(self, sql: str) -> list[Any]:
        """Ask the ledger; nothing if the dispatcher has not made it yet."""
        connection = await asyncpg.connect(self.dsn, server_settings=search_path(self.settings.namespace))
        try:
            return list(await connection.fetch(sql))
        except asyncpg.UndefinedTableError:
            return []
        finally:
            await connection.close()


@asynccontextmanager
async def pipeline(settings: Settings, *, flows: Path, clock: Clock) -> AsyncIterator[Pipeline]:
    """A fresh log of the clock; nothing runs yet."""
    assert settings.kafka is not None
    declared = topics(settings.namespace, partitions=settings.partitions)
    _, identity = await topics_admin.apply(settings.kafka, declared, clock=clock)
    made = Pipeline(settings, flows=flows, clock=clock, declared=declared, identity=identity)
    try:
        async with following(settings.kafka, declared.profile_state) as made.tail:
            yield made
    finally:
        for process in made.processes:
            await process.kill()
