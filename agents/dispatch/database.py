"""The way to PostgreSQL: a pool, and the one place that tries again when the database is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from agents.dispatch.migrate import search_path
from agents.errors import Unavailable

POOL_SIZE = 6
STATEMENT_SECONDS_MAX = 20.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0

#: Not the fault of a statement: the server went away, is full, or two transactions were in each other's way.
PASSING = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)

_Result = TypeVar("_Result")
_log = logging.getLogger("cartwheel.dispatch")


class Database:
    """Runs pieces of work on pooled connections to the schema of one namespace."""

    def __init__(self, pool: Any, *, patience_seconds: float) -> None:
        self._pool = pool
        self._patience_seconds = patience_seconds

    async def run(self, work: Callable[[Any], Awaitable[_Result]]) -> _Result:
        """The result of `work(connection)`. It may run several times, also after it took effect: it must not mind.

        Raises `Unavailable` once the database has failed for as long as our patience lasts.
        """
        loop = asyncio.get_running_loop()
        give_up_at, pause_seconds = loop.time() + self._patience_seconds, FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._pool.acquire(timeout=STATEMENT_SECONDS_MAX) as connection:
                    return await work(connection)
            except PASSING as error:
                reason = str(error) or type(error).__name__
                if loop.time() + pause_seconds > give_up_at:
                    raise Unavailable(
                        f"PostgreSQL failed for {self._patience_seconds:g} s ({reason})",
                        next_step="see whether it is healthy, then start this process again; nothing is lost",
                    ) from error
                _log.warning("PostgreSQL failed (%s); trying again in %.1f s", reason, pause_seconds)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)


@asynccontextmanager
async def connected(dsn: str, *, namespace: str, patience_seconds: float) -> AsyncIterator[Database]:
    """A database whose plain table names are those of the namespace."""
    pool = await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=POOL_SIZE,
        command_timeout=STATEMENT_SECONDS_MAX,
        server_settings=search_path(namespace),
    )
    try:
        yield Database(pool, patience_seconds=patience_seconds)
    finally:
        # Not `close`, which would wait without end for a connection whose server is gone.
        pool.terminate()
