"""A dispatcher beside the storm, and what its ledger and its receipts say in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from agents.dispatch.migrate import search_path
from agents.topic_reader import read_to_end
from schemas import codec
from schemas.command import Receipt
from tests.e2e.processes import PATIENCE_SECONDS, Process
from tests.e2e.week_verdict import LEDGER, Outcome, Row, judge
from tests.integration.engine_rig import Rig

SETTLED = "SELECT count(*) FROM commands WHERE receipt_published_at IS NOT NULL"


class Ledger:
    """Made by `dispatching`."""

    def __init__(self, rig: Rig, dsn: str) -> None:
        self._rig, self._dsn = rig, dsn

    async def faults(self) -> dict[str, int]:
        """Wait until every command has its receipt; then count what is not there exactly once, accepted at once."""
        kafka, topics = self._rig.kafka, self._rig.topics
        ordered = codec.commands_of([record.value async for record in read_to_end(kafka, topics.commands)])
        commands = [codec.encode(one) for one in ordered]
        expected = {one.command_id: one.decided_at for one in ordered}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self._ask(SETTLED))[0][0] < len(expected):
                await asyncio.sleep(0.2)
        outcome = Outcome(
            commands=commands,
            ledger=[Row(row["id"], row["state"], row["attempts"]) for row in await self._ask(LEDGER)],
            receipts=[codec.decode(record.value, Receipt) async for record in read_to_end(kafka, topics.receipts)],
        )
        return judge(outcome, expected=expected).counts()

    async def _ask(self, sql: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._dsn, server_settings=search_path(self._rig.namespace))
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()


@asynccontextmanager
async def dispatching(rig: Rig, *, dsn: str) -> AsyncIterator[Ledger]:
    """Dispatch the commands of a rig while the body runs."""
    environ = {**rig.environ, "CARTWHEEL_POSTGRES": dsn}
    process = await Process.start("dispatcher", environ=environ)
    try:
        await process.until_ready()
        yield Ledger(rig, dsn)
    finally:
        await process.stop()
