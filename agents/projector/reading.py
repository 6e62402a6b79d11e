"""The projector's loops: decisions from the topic into the table, committed when PostgreSQL has; and the lag."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiokafka.errors import KafkaError

from agents.dispatch.database import Database
from agents.kill_points import reached
from agents.projector.metrics import Metrics
from agents.projector.table import BATCH_MAX, Row, row, take
from agents.share import Share
from schemas import codec
from schemas.dead_letter import attempt_of

POLL_MS = 500
LOOK_SECONDS = 5.0


class Reading:
    """Takes batches until told to stop."""

    def __init__(self, *, share: Share, database: Database, metrics: Metrics) -> None:
        self._share, self._database, self._metrics = share, database, metrics

    async def run(self, connecting: AbstractAsyncContextManager[Any], stop: asyncio.Event) -> None:
        """Connect, read until `stop`, finish the batch in hand and leave the group, for which others may wait."""
        async with connecting as consumer:
            self._share.consumer = consumer
            while not stop.is_set():
                if batches := await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_MAX):
                    await self._take(batches)

    async def look(self, stop: asyncio.Event) -> None:
        """Tell the lag until `stop`. The next look may succeed; only the reading itself must not fail."""
        while not stop.is_set():
            if self._share.consumer is not None:
                with contextlib.suppress(KafkaError, TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._share.report_lag()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)

    async def _take(self, batches: Mapping[Any, Sequence[Any]]) -> None:
        rows: list[Row] = []
        for record in (record for records in batches.values() for record in records):
            if record.headers and attempt_of(record.headers) > 1:
                self._metrics.replayed.inc()
            try:
                rows.append(row(record.value or b"", partition=record.partition, offset=record.offset))
            except codec.Undecodable as error:
                await self._share.refuse(record, str(error))
        if rows:
            new = await take(self._database, rows)
            self._metrics.new.inc(new)
            self._metrics.repeated.inc(len(rows) - new)
        reached("projector_inserted")
        await self._share.commit(batches)
