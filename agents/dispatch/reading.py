"""The reading loop: commands from the topic into the ledger; the offset is committed when PostgreSQL has committed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiokafka.errors import KafkaError

from agents.dispatch.database import Database
from agents.dispatch.ledger import BATCH_MAX, Order, order, take
from agents.dispatch.metrics import Metrics
from agents.kill_points import reached
from agents.share import Share
from schemas import codec
from schemas.dead_letter import attempt_of

POLL_MS = 500
OPEN_MAX = 200_000  # open commands in the ledger; with more, the rest waits on the topic, where keeping it is cheap
CONFLICTS_SHOWN = 10
LOOK_SECONDS_MAX = 2.0

_log = logging.getLogger("cartwheel.dispatch")


class Reading:
    """Takes batches until told to stop. `taken` is set whenever there is something new to send."""

    def __init__(
        self,
        *,
        share: Share,
        database: Database,
        metrics: Metrics,
        taken: asyncio.Event,
    ) -> None:
        self._share = share
        self._database = database
        self._metrics = metrics
        self._taken = taken

    async def run(self, connecting: AbstractAsyncContextManager[Any], stop: asyncio.Event) -> None:
        """Connect, read until `stop`, finish the batch in hand and leave the group, for which others may wait."""
        async with connecting as consumer:
            self._share.consumer = consumer
            while not stop.is_set():
                if batches := await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_MAX):
                    await self._take(batches)

    async def look_up(self, open_commands: int) -> None:
        """Now and then: stop fetching while too much is open, go on at half of it; tell how much is on the topic."""
        consumer = self._share.consumer
        if consumer is None:
            return
        if open_commands > OPEN_MAX:
            consumer.pause(*consumer.assignment())
        elif open_commands < OPEN_MAX // 2:
            consumer.resume(*consumer.paused())
        # The next look may succeed; only the reading itself must not fail.
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS_MAX):
                await self._share.report_lag()

    async def _take(self, batches: Mapping[Any, Sequence[Any]]) -> None:
        orders: list[Order] = []
        for record in (record for records in batches.values() for record in records):
            if record.headers and attempt_of(record.headers) > 1:
                self._metrics.replayed.inc()
            try:
                ordered = order(record.value or b"")
                if ordered is None:
                    self._metrics.recalls.inc()  # the engine takes its command back; the ledger does not know how yet
                else:
                    orders.append(ordered)
            except codec.Undecodable as error:
                await self._share.refuse(record, str(error))
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
        await self._share.commit(batches)
