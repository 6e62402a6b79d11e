"""The reading loop: commands from the topic into the ledger; the offset is committed when PostgreSQL has committed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from agents.dispatch.database import Database
from agents.dispatch.ledger import BATCH_MAX, Order, order, take
from agents.dispatch.metrics import Metrics
from agents.kill_points import reached
from agents.topics_admin import removed
from agents.version import program_version
from schemas import codec
from schemas.dead_letter import attempt_of, letter

POLL_MS = 500
OPEN_MAX = 200_000  # open commands in the ledger; with more, the rest waits on the topic, where keeping it is cheap
CONFLICTS_SHOWN = 10
LOOK_SECONDS_MAX = 2.0
REASON = "undecodable"

_log = logging.getLogger("cartwheel.dispatch")


class Reading:
    """Takes batches until told to stop. `taken` is set whenever there is something new to send."""

    def __init__(
        self,
        *,
        producer: Any,
        dead_letters: str,
        database: Database,
        metrics: Metrics,
        taken: asyncio.Event,
    ) -> None:
        self._consumer: Any = None
        self._producer = producer
        self._dead_letters = dead_letters
        self._database = database
        self._metrics = metrics
        self._taken = taken
        self._reported: set[Any] = set()

    async def run(self, connecting: AbstractAsyncContextManager[Any], stop: asyncio.Event) -> None:
        """Connect, read until `stop`, finish the batch in hand and leave the group, for which others may wait."""
        async with connecting as self._consumer:
            while not stop.is_set():
                if batches := await self._consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_MAX):
                    await self._take(batches)

    async def look_up(self, open_commands: int) -> None:
        """Now and then: stop fetching while too much is open, go on at half of it; tell how much is on the topic."""
        if self._consumer is None:
            return
        if open_commands > OPEN_MAX:
            self._consumer.pause(*self._consumer.assignment())
        elif open_commands < OPEN_MAX // 2:
            self._consumer.resume(*self._consumer.paused())
        # The next look may succeed; only the reading itself must not fail.
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS_MAX):
                await self._report_lag()

    async def _take(self, batches: Mapping[Any, Sequence[Any]]) -> None:
        orders: list[Order] = []
        for record in (record for records in batches.values() for record in records):
            if record.headers and attempt_of(record.headers) > 1:
                self._metrics.replayed.inc()
            try:
                orders.append(order(record.value or b""))
            except codec.Undecodable as error:
                await self._refuse(record, str(error))
        if orders:
            taken = await take(self._database, orders)
            self._metrics.repeated.inc(taken.repeated)
            if taken.conflicting:
                self._metrics.conflicts.inc(len(taken.conflicting))
                shown = ", ".join(taken.conflicting[:CONFLICTS_SHOWN])
                _log.error(
                    "%d commands came again with another body, which must never happen; the first bodies count: %s",
                    len(taken.conflicting),
                    shown,
                )
            self._taken.set()
        reached("dispatch_inserted")
        await self._commit({partition: records[-1].offset + 1 for partition, records in batches.items()})

    async def _commit(self, offsets: Mapping[Any, int]) -> None:
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            # The partition was given to another dispatcher, which reads the batch again and finds it in the ledger.
            _log.warning("offsets were not committed: %s", error)

    async def _refuse(self, record: Any, detail: str) -> None:
        kept = letter(
            reason=REASON,
            detail=detail,
            stage="dispatcher",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            refused_at=time.time_ns() // 1_000_000,
            appended_at=record.timestamp,
            version=program_version(),
            attempt=attempt_of(record.headers),
        )
        await self._producer.send_and_wait(self._dead_letters, codec.encode(kept), key=kept.key)
        self._metrics.dead_letters.labels("dispatcher", REASON).inc()
        _log.warning("%s/%d offset %d: %s", record.topic, record.partition, record.offset, detail)

    async def _report_lag(self) -> None:
        assigned = self._consumer.assignment()
        ends = await self._consumer.end_offsets(assigned) if assigned else {}
        if not assigned and (gone := self._consumer.subscription() - await self._consumer.topics()):
            raise removed(*gone)
        if set(ends) != self._reported:
            self._metrics.lag.clear()
            self._reported = set(ends)
        for partition, end in ends.items():
            behind = end - await self._consumer.position(partition)
            self._metrics.lag.labels(partition.topic, str(partition.partition)).set(behind)
