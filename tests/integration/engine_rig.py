"""The rig of the engine's tests: a log under traffic, workers to be killed, and a verdict at the end."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agents import topics_admin
from agents.flow_files import load_flows
from agents.topics_admin import LogIdentity
from schemas import codec
from schemas.codec import PARTITION_KEY
from schemas.command import Clock
from schemas.topics import Topics, topics
from streams.program import build
from tests.integration import engine_flows
from tests.integration.engine_traffic import Traffic
from tests.integration.engine_verdict import Verdict, judge, read
from tests.integration.engine_worker import WorkerProcess
from tests.oracle.flowfile import load_flow

PARTITIONS = 4
SESSION_SECONDS = 6
DRAIN_SECONDS = 90


class Rig:
    """Made by `rig`. Workers are killed at the end if they still run."""

    def __init__(self, *, kafka: str, home: Path, namespace: str, topics: Topics, identity: LogIdentity) -> None:
        self.kafka, self.topics, self.identity = kafka, topics, identity
        self.home, self.namespace = home, namespace
        self.flows = engine_flows.write(home / "flows")
        self.workers: list[WorkerProcess] = []
        self.environ = {
            "CARTWHEEL_KAFKA": kafka,
            "CARTWHEEL_HOME": str(home),
            "CARTWHEEL_NAMESPACE": namespace,
            "CARTWHEEL_PARTITIONS": str(topics.profile_log.partitions),
        }

    async def worker(self, instance: str = "one", *options: str, kill: str = "") -> WorkerProcess:
        """Start a worker; states go out in small batches, so that there is something between two of them."""
        arguments = ["--flows", str(self.flows), "--instance", instance, "--session-seconds", str(SESSION_SECONDS)]
        small = ["--state-batch-bytes", "600"]
        process = await WorkerProcess.start(self.environ, [*arguments, *small, *options], kill=kill)
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

    async def drained(self, *, timers_too: bool = True) -> None:
        """Wait until every event of the log is processed, and every timer released that traffic armed."""
        async with asyncio.timeout(DRAIN_SECONDS):
            while await self._unprocessed():
                await asyncio.sleep(0.5)
            while timers_too and await self._pending():
                await asyncio.sleep(0.5)

    async def judge(self) -> Verdict:
        """Compare what came out with what had to."""
        return await judge(
            kafka=self.kafka,
            topics=self.topics,
            oracle=[load_flow(text) for text in engine_flows.FLOWS.values()],
            program=build(load_flows(self.flows)),
            incarnation=self.identity.incarnation,
        )

    async def _unprocessed(self) -> int:
        log = await read(self.kafka, self.topics.profile_log)
        states = await read(self.kafka, self.topics.profile_state)
        behind = 0
        for records, state in zip(log, states, strict=True):
            positions = [codec.unpack_partition(r.value).position for r in state if r.key == PARTITION_KEY]
            behind += sum(r.key[:1] != b"\x00" for r in records[max(positions, default=0) :])
        return behind

    async def _pending(self) -> int:
        states = await read(self.kafka, self.topics.profile_state)
        last = {r.key: r.value for records in states for r in records if r.key != PARTITION_KEY}
        return sum(bool(codec.unpack_profile(state).enrollments) for state in last.values())


@asynccontextmanager
async def rig(
    *, kafka: str, home: Path, namespace: str, partitions: int = PARTITIONS, clock: Clock = "live"
) -> AsyncIterator[Rig]:
    """A fresh log."""
    declared = topics(namespace, partitions=partitions)
    _, identity = await topics_admin.apply(kafka, declared, clock=clock)
    made = Rig(kafka=kafka, home=home, namespace=namespace, topics=declared, identity=identity)
    try:
        yield made
    finally:
        for process in made.workers:
            await process.kill()
