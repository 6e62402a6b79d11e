"""The peer without a framework: fetch, decode, apply, and once a second write down what changed, then commit.

The honest check of what the engine costs on top. It does the same job by the log's own clock and ticks, so its commands
can be judged one by one. What it lacks is what the engine is for: it does not read its changelog back, knows nothing of
other members of its group, and after a crash may count twice and send again.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import signal
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.peers.job import (
    Account,
    Books,
    Options,
    Profile,
    Reminder,
    apply,
    milliseconds,
    pack,
    read_event,
    run,
    unpack,
    write_command,
)

COMMIT_SECONDS = 1.0
FETCH_RECORDS = 5_000
FETCH_BYTES = 1024 * 1024
BATCH_BYTES = 512 * 1024


class _Tick(msgspec.Struct):
    through: datetime


_read_tick = msgspec.json.Decoder(_Tick).decode


class Partition:
    """The profiles of one partition: packed, but for those that have changed since the last flush."""

    def __init__(self, books: Books) -> None:
        self.position = 0
        self.waiting = 0
        self.commands: list[tuple[bytes, bytes]] = []
        self._books = books
        self._packed: dict[bytes, bytes] = {}
        self._changed: dict[bytes, Profile] = {}
        self._timers: list[tuple[int, bytes]] = []
        self._now = 0

    def take(self, records: Sequence[Any]) -> None:
        """A fetched batch, in order."""
        did, changed = self._books.did, self._changed
        for record in records:
            self._now = max(self._now, record.timestamp)
            key = record.key
            if key.startswith(b"\x00"):
                self._release(through=milliseconds(_read_tick(record.value).through))
                continue
            event = read_event(record.value)
            profile = changed.get(key) or self._load(key) or Profile(event.time, event.time)
            done = apply(profile, event, not_before=self._now)
            did[done] += 1
            if done != "duplicate":
                changed[key] = profile
            if done == "armed" and profile.waits is not None:
                heapq.heappush(self._timers, (profile.waits.due_at, key))
                self.waiting += 1
            elif done == "canceled":
                self.waiting -= 1
        self.position = records[-1].offset + 1

    def flush(self) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
        """The commands and the states since the last one."""
        commands, states = self.commands, [(key, pack(profile)) for key, profile in self._changed.items()]
        self._packed.update(states)
        self._changed.clear()
        self.commands = []
        return commands, states

    def _load(self, key: bytes) -> Profile | None:
        packed = self._packed.get(key)
        return None if packed is None else unpack(packed)

    def _release(self, *, through: int) -> None:
        while self._timers and self._timers[0][0] <= through:
            due_at, key = heapq.heappop(self._timers)
            profile = self._changed.get(key) or self._load(key)
            if profile is not None and profile.waits is not None and profile.waits.due_at == due_at:
                self.commands.append((key, write_command(Reminder(profile.waits.checkout_id))))
                profile.waits = None
                self._changed[key] = profile
                self.waiting -= 1
                self._books.did["sent"] += 1


async def _work(options: Options) -> Account:
    """Until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    consumer = AIOKafkaConsumer(
        options.log_topic, bootstrap_servers=options.kafka, group_id=options.app, enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES,
    )  # fmt: skip
    producer = AIOKafkaProducer(
        bootstrap_servers=options.kafka, acks="all", compression_type="lz4", max_batch_size=BATCH_BYTES,
        max_request_size=4 * BATCH_BYTES,
    )  # fmt: skip
    books = Books()
    partitions = {number: Partition(books) for number in range(options.partitions)}
    await consumer.start()
    await producer.start()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        while not stop.is_set():
            deadline = asyncio.get_running_loop().time() + COMMIT_SECONDS
            touched = set()
            while asyncio.get_running_loop().time() < deadline:
                for source, records in (await consumer.getmany(timeout_ms=100, max_records=FETCH_RECORDS)).items():
                    partitions[source.partition].take(records)
                    touched.add(source.partition)
            await _settle(options, consumer, producer, {number: partitions[number] for number in touched})
    finally:
        await producer.stop()
        await consumer.stop()
    books.positions = {number: partition.position for number, partition in partitions.items()}
    return books.account(waiting=sum(partition.waiting for partition in partitions.values()))


async def _settle(options: Options, consumer: Any, producer: Any, partitions: dict[int, Partition]) -> None:
    """Commands are acknowledged before states, and states before the position is committed."""
    flushed = {number: partition.flush() for number, partition in partitions.items()}
    for topic, kind in ((options.commands_topic, 0), (options.changelog_topic, 1)):
        sent = [
            await producer.send_batch(batch, topic, partition=number)
            for number, both in flushed.items()
            for batch in _batches(producer, both[kind])
        ]
        await asyncio.gather(*sent)
    positions = {TopicPartition(options.log_topic, number): partitions[number].position for number in partitions}
    if positions:
        await consumer.commit(positions)


def _batches(producer: Any, pairs: Iterable[tuple[bytes, bytes]]) -> list[Any]:
    """Full batches, sent as they are."""
    batches: list[Any] = []
    for key, value in pairs:
        if not batches or batches[-1].append(key=key, value=value, timestamp=None) is None:
            batches.append(producer.create_batch())
            batches[-1].append(key=key, value=value, timestamp=None)
    return batches


if __name__ == "__main__":
    run(lambda options: uvloop.run(_work(options)))
