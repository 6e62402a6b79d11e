"""The measuring loop: how much is open in the ledger, for the metrics and for the reading loop to hold back."""

from __future__ import annotations

import asyncio
import contextlib

from agents.dispatch.database import Database
from agents.dispatch.metrics import Metrics
from agents.dispatch.reading import Reading

EVERY_SECONDS = 5.0

OPEN = "SELECT state, count(*) AS rows FROM commands WHERE state IN ('pending', 'sending') GROUP BY state"
OWED = "SELECT count(*) FROM commands WHERE finished_at IS NOT NULL AND receipt_published_at IS NULL"


async def measure(database: Database, *, metrics: Metrics, reading: Reading, stop: asyncio.Event) -> None:
    """Measure until `stop`, and tell the reading loop each time how many commands are open."""
    while not stop.is_set():
        rows = await database.run(lambda connection: connection.fetch(OPEN))
        counts = {row["state"]: row["rows"] for row in rows}
        for state in ("pending", "sending"):
            metrics.queue.labels(state).set(counts.get(state, 0))
        await reading.look_up(sum(counts.values()))
        metrics.unpublished.set(await database.run(lambda connection: connection.fetchval(OWED)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY_SECONDS)
