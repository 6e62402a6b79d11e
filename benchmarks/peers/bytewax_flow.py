"""The peer on Bytewax: its Kafka source, one stateful step with notifications, its Kafka sink, its recovery store on.

Bytewax keeps state and positions in SQLite, at the end of an epoch. That disk is all it has, where the others can lose
theirs; so each state that a batch has changed goes to a changelog topic as well. The source also commits to Kafka what
it has read, which Bytewax does not need, but whoever watches its lag does.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from benchmarks.peers.job import (
    WAIT_MS,
    Account,
    Books,
    Event,
    Options,
    Profile,
    Reminder,
    apply,
    pack,
    read_event,
    run,
    unpack,
    write_command,
)

EPOCH_SECONDS = 10.0
BATCH = 1_000
READER = {
    "enable.auto.commit": "true",
    "auto.commit.interval.ms": "1000",
    "statistics.interval.ms": "0",
    # There is a client per partition, and each would hold 64 MiB.
    "queued.max.messages.kbytes": "4096",
    "queued.min.messages": "5000",
    "fetch.message.max.bytes": str(1024 * 1024),
}
WRITER = {"acks": "all", "compression.type": "lz4", "partitioner": "murmur2_random"}


Written = tuple[str, bytes]  # topic and value


class Shopper(StatefulBatchLogic[Event, Written, bytes]):  # type: ignore[misc]
    """One profile. A batch of its events gives one record for the changelog."""

    def __init__(self, packed: bytes | None, *, options: Options, books: Books) -> None:
        self._options, self._books = options, books
        self._profile = unpack(packed) if packed else None

    def on_batch(self, values: list[Event]) -> tuple[Iterable[Written], bool]:
        """Its events, in order."""
        not_before = time.time_ns() // 1_000_000 + WAIT_MS
        profile = self._profile
        if profile is None:
            profile = self._profile = Profile(values[0].time, values[0].time)
        changed = False
        for event in values:
            done = apply(profile, event, not_before=not_before)
            self._books.did[done] += 1
            changed = changed or done != "duplicate"
        return [self._state(profile)] if changed else [], StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[Written], bool]:
        """The wait is over."""
        profile = self._profile
        if profile is None or profile.waits is None:
            return [], StatefulBatchLogic.RETAIN
        command = write_command(Reminder(profile.waits.checkout_id))
        profile.waits = None
        self._books.did["sent"] += 1
        return [(self._options.commands_topic, command), self._state(profile)], StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[Written], bool]:
        """It was told to stop."""
        self._books.did["waiting"] += self._profile is not None and self._profile.waits is not None
        return [], StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """When the wait is over."""
        waits = self._profile.waits if self._profile is not None else None
        return None if waits is None else datetime.fromtimestamp(waits.due_at / 1000, UTC)

    def snapshot(self) -> bytes:
        """For the recovery store."""
        return pack(self._profile)

    def _state(self, profile: Profile) -> Written:
        return self._options.changelog_topic, pack(profile)


class Stoppable(FixedPartitionedSource[Any, int | None]):  # type: ignore[misc]
    """A Kafka source that comes to its end when the process is told to stop, so that the flow ends in order."""

    def __init__(self, source: KafkaSource) -> None:
        self._source = source
        self._stopped = False
        signal.signal(signal.SIGTERM, self._stop)

    def list_parts(self) -> list[str]:
        """Its partitions."""
        return list(self._source.list_parts())

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> StatefulSourcePartition[Any, Any]:
        """One of them; it looks for the signal before every batch."""
        partition = self._source.build_part(step_id, for_part, resume_state)
        next_batch = partition.next_batch

        def until_stopped() -> Any:
            if self._stopped:
                raise StopIteration
            return next_batch()

        partition.next_batch = until_stopped
        return partition

    def _stop(self, *_: object) -> None:
        self._stopped = True


def flow(options: Options, books: Books) -> Dataflow:
    """The whole of it."""

    def decode(batch: list[Any]) -> Iterator[tuple[str, Event]]:
        for message in batch:
            books.positions[message.partition] = message.offset + 1
            if not message.key.startswith(b"\x00"):  # ticks mean nothing to it
                yield message.key.decode(), read_event(message.value)

    def encode(batch: list[tuple[str, Written]]) -> Iterator[KafkaSinkMessage[bytes, bytes]]:
        for key, (topic, value) in batch:
            yield KafkaSinkMessage(key.encode(), value, topic)

    dataflow = Dataflow(options.app)
    brokers = [options.kafka]
    source = KafkaSource(brokers, [options.log_topic], add_config={**READER, "group.id": options.app}, batch_size=BATCH)
    log = op.input("log", dataflow, Stoppable(source))
    events = op.flat_map_batch("decode", log, decode)
    written = op.stateful_batch("shopper", events, lambda packed: Shopper(packed, options=options, books=books))
    op.output("written", op.flat_map_batch("encode", written, encode), KafkaSink(brokers, None, add_config=WRITER))
    return dataflow


def work(options: Options) -> Account:
    """Until told to stop."""
    store = Path(options.folder)
    store.mkdir(parents=True)
    init_db_dir(store, 1)
    books = Books()
    cli_main(
        flow(options, books),
        epoch_interval=timedelta(seconds=EPOCH_SECONDS),
        recovery_config=RecoveryConfig(store),
    )
    return books.account(waiting=books.did.pop("waiting", 0))


if __name__ == "__main__":
    run(work)
