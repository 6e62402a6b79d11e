"""Brokers that a test may kill: one, or three that keep three copies of everything and want two of them written.

They are of the same jars, Java and settings as the local stack, each broker and controller in one process, on loopback.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, Signals

from aiokafka.admin import AIOKafkaAdminClient

from agents import resources, stack
from agents.console import Console
from agents.errors import Unavailable
from agents.settings import LOOPBACK, Settings
from agents.stack import jars, java
from agents.stack.process import tail
from tests.e2e.processes import free_port

ANSWERS_SECONDS = 120.0
STOP_SECONDS = 60.0
_JAVA_OPTIONS = ("-Xmx512m", "-Xms128m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")


class Broker:
    """One of them, by its number from 1 on. It keeps its data and its ports from one life to the next."""

    def __init__(self, number: int, *, folder: Path, java: list[str]) -> None:
        self.number, self.port, self.controller = number, free_port(), free_port()
        self.address = f"{LOOPBACK}:{self.port}"
        self.properties, self.log = folder / "server.properties", folder / "broker.log"
        self._folder, self._java = folder, java
        self._process: subprocess.Popen[bytes] | None = None

    def format(self, cluster_id: str, settings: str) -> subprocess.Popen[bytes]:
        """Begin to prepare its empty data folder."""
        self._folder.mkdir()
        self.properties.write_text(f"{settings}\nlog.dirs={self._folder / 'data'}\n")
        command = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", str(self.properties)]
        with self.log.open("ab") as log:
            return subprocess.Popen([*self._java, *command], stdout=log, stderr=log)

    def start(self) -> None:
        """Begin a life; see `answers`."""
        with self.log.open("ab") as log:
            command = [*self._java, "kafka.Kafka", str(self.properties)]
            # In a session of its own, so that a Ctrl-C meant for the test does not reach it first.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    async def answers(self) -> None:
        """Wait until it serves clients."""
        try:
            await stack.wait_for_kafka(self.address, say=lambda _: None, seconds=ANSWERS_SECONDS)
        except Unavailable:
            raise AssertionError(f"broker {self.number} does not answer; its log ends:\n{tail(self.log)}") from None

    async def end(self, number: Signals = SIGKILL) -> None:
        """kill -9, or another signal; returns when it is gone."""
        if self._process is not None:
            self._process.send_signal(number)
            await asyncio.to_thread(self._process.wait, STOP_SECONDS)

    def signal(self, number: Signals) -> None:
        """Send it a signal and go on."""
        assert self._process is not None
        self._process.send_signal(number)

    async def restart(self) -> None:
        """Begin the next life, and wait until it serves."""
        self.start()
        await self.answers()


class Cluster:
    """Made by `cluster`; `kafka` is what clients are told."""

    def __init__(self, brokers: list[Broker]) -> None:
        self.brokers = brokers
        self.kafka = ",".join(broker.address for broker in brokers)

    async def coordinator(self, group: str) -> Broker:
        """The broker that a consumer group has for its coordinator."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            number = await admin.find_coordinator(group)
        finally:
            await admin.close()
        return next(broker for broker in self.brokers if broker.number == number)


@contextmanager
def cluster(settings: Settings, *, count: int) -> Iterator[Cluster]:
    """So many fresh brokers that all answer; gone afterwards, with their data."""
    folder = Path(tempfile.mkdtemp(prefix="cartwheel-cluster-"))
    command = [str(java.find()), *_JAVA_OPTIONS, "-cp", str(jars.fetch(settings.cache, console=Console()) / "*")]
    brokers = [Broker(number, folder=folder / str(number), java=command) for number in range(1, count + 1)]
    try:
        # An id that begins with a dash would be taken for an option by some tool.
        cluster_id = "c" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        formats = [broker.format(cluster_id, _properties(broker, brokers)) for broker in brokers]
        for broker, formatting in zip(brokers, formats, strict=True):
            assert formatting.wait(ANSWERS_SECONDS) == 0, tail(broker.log)
            broker.start()
        asyncio.run(_all_answer(brokers))
        yield Cluster(brokers)
    finally:
        asyncio.run(_end(brokers))
        shutil.rmtree(folder, ignore_errors=True)


async def _all_answer(brokers: list[Broker]) -> None:
    await asyncio.gather(*(broker.answers() for broker in brokers))


async def _end(brokers: list[Broker]) -> None:
    for broker in brokers:
        await broker.end()


def _properties(broker: Broker, brokers: list[Broker]) -> str:
    copies, written = (3, 2) if len(brokers) >= 3 else (1, 1)
    chosen = {
        "node.id": broker.number,
        "listeners": f"PLAINTEXT://{broker.address},CONTROLLER://{LOOPBACK}:{broker.controller}",
        "advertised.listeners": f"PLAINTEXT://{broker.address}",
        "controller.quorum.voters": ",".join(f"{one.number}@{LOOPBACK}:{one.controller}" for one in brokers),
        "min.insync.replicas": written,
        "default.replication.factor": copies,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": written,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": written,
    }
    shipped = (resources.local_stack() / "server.properties").read_text()
    # Of a name that stands twice the later line counts.
    return shipped + "".join(f"{name}={value}\n" for name, value in chosen.items())
