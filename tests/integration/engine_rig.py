"""The rig of the engine's tests: a log under traffic, workers to be killed, and a verdict at the end."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agents import topics_admin
from agents.topics_admin import LogIdentity
from schemas.command import Clock
from schemas.topics import Topics, topics
from tests.e2e.processes import Process
from tests.e2e.state_tail import StateTail, following
from tests.integration import engine_flows
from tests.integration.engine_traffic import Traffic
from tests.integration.engine_verdict import Verdict, judge, read
from tests.oracle.flowfile import load_flow

PARTITIONS = 4
SESSION_SECONDS = 6
DRAIN_SECONDS = 120


class Rig:
    """Made by `rig`. Workers are killed at the end if they still run."""

    def __init__(self, *, kafka: str, home: Path, namespace: str, topics: Topics, identity: LogIdentity) -> None:
        self.kafka, self.topics, self.identity = kafka, topics, identity
        self.home, self.namespace = home, namespace
        self.flows = engine_flows.write(home / "flows")
        self.workers: list[Process] = []
        self.tail: StateTail
        self.environ = {
            "CARTWHEEL_KAFKA": kafka,
            "CARTWHEEL_HOME": str(home),
            "CARTWHEEL_NAMESPACE": namespace,
            "CARTWHEEL_PARTITIONS": str(topics.profile_log.partitions),
        }

    async def worker(self, instance: str = "one", *options: str, kill: str = "") -> Process:
        """Start a worker; states go out in small batches, so that there is something between two of them."""
        arguments = ["--flows", str(self.flows), "--instance", instance, "--session-seconds", str(SESSION_SECONDS)]
        small = ["--state-batch-bytes", "600"]
        process = await Process.start("worker", *arguments, *small, *options, environ=self.environ, kill=kill)
        self.workers.append(process)
        return process

    def wipe(self, instance: str = "one") -> None:
        """The disk of a worker that is not running is gone."""
        shutil.rmtree(self.home / "worker" / self.namespace / instance, ignore_errors=True)

    def traffic(self, *, seed: int, events: int, per_second: float, profiles: int = 1000) -> Traffic:
        """Traffic for this log."""
        return Traffic(
            kafka=self.kafka, topics=self.topics, seed=seed, events=events, per_second=per_second, profiles=profiles
        )

    async def drained(self, *, timers_too: bool = True, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until every event of the log is processed, and every timer released that traffic armed."""
        ends = await self.ends()
        try:
            async with asyncio.timeout(seconds):
                while any(p < end for p, end in zip(self.tail.positions, ends, strict=True)) or (
                    timers_too and self.tail.pending()
                ):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            words = [process.last_words() for process in self.workers[-3:]]
            left = f"at {self.tail.positions} of {ends}, {self.tail.pending()} timers pending"
            raise AssertionError("\n".join([f"not drained within {seconds:g} s: {left}", *words])) from None

    async def ends(self) -> list[int]:
        """Where the last event of each partition of the log ends."""
        log = await read(self.kafka, self.topics.profile_log)
        return [max((record.offset + 1 for record in some if record.key[:1] != b"\x00"), default=0) for some in log]

    async def judge(self) -> Verdict:
        """Compare what came out with what had to."""
        return await judge(
            kafka=self.kafka,
            topics=self.topics,
            oracle=[load_flow(text) for text in engine_flows.FLOWS.values()],
            incarnation=self.identity.incarnation,
        )


@asynccontextmanager
async def rig(
    *, kafka: str, home: Path, namespace: str, partitions: int = PARTITIONS, clock: Clock = "live"
) -> AsyncIterator[Rig]:
    """A fresh log."""
    declared = topics(namespace, partitions=partitions)
    _, identity = await topics_admin.apply(kafka, declared, clock=clock)
    made = Rig(kafka=kafka, home=home, namespace=namespace, topics=declared, identity=identity)
    try:
        async with following(kafka, declared.profile_state) as made.tail:
            yield made
    finally:
        for process in made.workers:
            await process.kill()
