"""Runs intake as a process beside a test that writes raw records, and judges what the topics hold afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from agents.kill_points import VARIABLE
from agents.settings import Settings
from agents.topic_reader import read_to_end
from schemas import codec
from schemas.control import Progress
from schemas.instants import from_wire, to_wire
from schemas.topics import Topic, Topics

PATIENCE_SECONDS = 60.0
NOON = from_wire("2026-11-21T12:00:00.000Z")


def event(id_: str, **changes: Any) -> dict[str, Any]:
    """A small good event with some fields changed; None takes a field away."""
    fields = {
        "id": id_,
        "source": "shop.site",
        "type": "commerce.checkout.started.v1",
        "time": to_wire(NOON),
        "tenant": "acme",
        "identity": {"anonymous_id": f"visitor-{id_[-1]}"},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def watermark(minute: int) -> bytes:
    """A raw watermark: the orders are complete through so many minutes after noon."""
    promise = {"source": "shop.orders", "tenant": "acme", "complete_through": to_wire(NOON + minute * 60_000)}
    return json.dumps({"watermark": promise}).encode()


class Intake:
    """One `cartwheel intake` process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ended(self) -> tuple[int, str]:
        """Its exit code and what it said, once it has ended by itself."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, said = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, said.decode()

    async def stop(self) -> tuple[int, str]:
        """Ask it to end."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)


@asynccontextmanager
async def running_intake(settings: Settings, *, kill_point: str = "", **variables: str) -> AsyncIterator[Intake]:
    """A running intake; killed at the end of the body if it still runs."""
    environ = {
        **os.environ,
        "CARTWHEEL_HOME": str(settings.home),
        "CARTWHEEL_KAFKA": settings.kafka or "",
        "CARTWHEEL_NAMESPACE": settings.namespace,
        "CARTWHEEL_PARTITIONS": str(settings.partitions),
        VARIABLE: kill_point,
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agents.cli", "intake", "--report-ms", "50", env=environ, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield Intake(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@asynccontextmanager
async def raw_producer(kafka: str) -> AsyncIterator[Any]:
    """A producer as a connector would use it, that may send what is too large for intake."""
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=2, max_request_size=2 * 1024 * 1024
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@dataclass
class Traffic:
    """What was written to the raw topic while the body ran, each raw partition in its order."""

    ids: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    watermarks: int = 0


@asynccontextmanager
async def traffic(kafka: str, topics: Topics) -> AsyncIterator[Traffic]:
    """Writes events to every raw partition, and now and then a watermark, until the body has ended."""
    written, stop = Traffic(), asyncio.Event()

    async def write() -> None:
        async with raw_producer(kafka) as producer:
            for turn in range(100_000):
                if stop.is_set():
                    return
                for partition in range(topics.raw.partitions):
                    for n in range(10):
                        id_ = f"r{partition}-{turn}-{n}"
                        await producer.send(topics.raw.name, json.dumps(event(id_)).encode(), partition=partition)
                        written.ids[partition].append(id_)
                await producer.flush()
                if turn % 7 == 0:
                    written.watermarks += 1
                    for partition in range(topics.raw.partitions):
                        await producer.send(topics.raw.name, watermark(turn), partition=partition)
                await asyncio.sleep(0.01)

    writing = asyncio.create_task(write())
    try:
        yield written
    finally:
        stop.set()
        await writing


async def all_taken(settings: Settings, topics: Topics) -> None:
    """Return when the group has committed the end of every raw partition."""
    partitions = [TopicPartition(topics.raw.name, number) for number in range(topics.raw.partitions)]
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka)
    await asyncio.gather(admin.start(), consumer.start())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                ends = await consumer.end_offsets(partitions)
                with suppress(GroupCoordinatorNotAvailableError):  # for a moment after the first group of a broker
                    committed = await admin.list_consumer_group_offsets(f"{settings.namespace}.intake")
                    if all(each in committed and committed[each].offset == end for each, end in ends.items()):
                        return
                await asyncio.sleep(0.1)
    finally:
        await consumer.stop()
        await admin.close()


async def records(kafka: str, topic: Topic) -> list[Any]:
    """All that a topic holds, each partition in its order."""
    return [record async for record in read_to_end(kafka, topic)]


class Held:
    """What the topics of a log on a live clock hold, for judging. All raw records must be good."""

    def __init__(self, raw: list[Any], profile_log: list[Any], progress: list[Any]) -> None:
        self._raw = raw
        self._first_copies: dict[str, Any] = {}
        for record in profile_log:
            self._first_copies.setdefault(json.loads(record.value)["id"], record)
        self.copies = len(profile_log)
        self.progress = [(record, codec.decode(record.value, Progress)) for record in progress]

    @classmethod
    async def by(cls, kafka: str, topics: Topics) -> Held:
        """Read them."""
        return cls(*[await records(kafka, topic) for topic in (topics.raw, topics.profile_log, topics.progress)])

    def assert_forwarded_in_order(self, written: Traffic) -> None:
        """Every event is on the profile log, and first copies are there in the order of their raw partition."""
        for raw_partition, ids in written.ids.items():
            last: dict[int, int] = defaultdict(lambda: -1)
            for id_ in ids:
                copy = self._first_copies.get(id_)
                assert copy is not None, f"{id_} of raw partition {raw_partition} is missing"
                assert copy.offset > last[copy.partition], f"{id_} stands before what came earlier"
                last[copy.partition] = copy.offset

    def assert_progress_is_true(self) -> None:
        """No progress claims more than was in the profile log when it was written."""
        events, promises = self._events(), self._promises()
        for record, progress in self.progress:
            number, through = progress.raw_partition, from_wire(progress.forwarded_through)
            promised = [promises[number, mark.complete_through] for mark in progress.watermarks]
            below = max([*promised, progress.next_offset])
            for raw, copy in events[number]:
                if raw.timestamp <= through or raw.offset < below:
                    assert copy.timestamp <= record.timestamp, f"{progress} was written before {raw.value!r} was copied"

    def assert_marks_never_move_back(self) -> None:
        """In the order of the progress topic."""
        last: dict[int, tuple[str, list[str]]] = {}
        for _, progress in self.progress:
            mark = progress.forwarded_through, [each.complete_through for each in progress.watermarks]
            assert last.get(progress.raw_partition, ("", [])) <= mark
            last[progress.raw_partition] = mark

    def _events(self) -> dict[int, list[tuple[Any, Any]]]:
        found: dict[int, list[tuple[Any, Any]]] = defaultdict(list)
        for record in self._raw:
            document = json.loads(record.value)
            if "id" in document:
                found[record.partition].append((record, self._first_copies[document["id"]]))
        return found

    def _promises(self) -> dict[tuple[int, str], int]:
        """The raw offset at which each partition first promised an instant."""
        found: dict[tuple[int, str], int] = {}
        for record in self._raw:
            if promise := json.loads(record.value).get("watermark"):
                found.setdefault((record.partition, promise["complete_through"]), record.offset)
        return found
