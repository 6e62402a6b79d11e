"""Whether Kafka and PostgreSQL are there: asked once, or asked again for a while with a word to the reader."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from agents.errors import Unavailable
from agents.settings import without_password

PATIENCE_SECONDS = 30.0
ATTEMPT_SECONDS = 5.0
PAUSE_SECONDS = 0.5

Say = Callable[[str], None]


async def wait_for_kafka(address: str, *, say: Say, seconds: float = PATIENCE_SECONDS) -> None:
    """Return once a broker at `address` serves clients. Raises `Unavailable` after `seconds` of asking."""
    what = f"Kafka at {address}"
    await _wait(lambda: kafka_answers(address), what, variable="CARTWHEEL_KAFKA", seconds=seconds, say=say)


async def wait_for_postgres(dsn: str, *, say: Say, seconds: float = PATIENCE_SECONDS) -> None:
    """Return once PostgreSQL answers a query on `dsn`. Raises `Unavailable` after `seconds` of asking."""
    what = f"PostgreSQL at {without_password(dsn)}"
    await _wait(lambda: postgres_answers(dsn), what, variable="CARTWHEEL_POSTGRES", seconds=seconds, say=say)


async def kafka_answers(address: str) -> None:
    """Ask Kafka once; raises if it does not answer."""
    # The client logs each refused connection at length; a plain connection first keeps a dead address quiet.
    await _connect_to_any(address.split(","))
    client = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=int(ATTEMPT_SECONDS * 1000))
    try:
        await client.start()
    finally:
        await client.close()


async def postgres_answers(dsn: str) -> None:
    """Ask PostgreSQL once; raises if it does not answer."""
    connection = await asyncpg.connect(dsn, timeout=ATTEMPT_SECONDS)
    try:
        await connection.execute("SELECT 1")
    finally:
        await connection.close()


async def _connect_to_any(servers: list[str]) -> None:
    refused: OSError | None = None
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                _, writer = await asyncio.open_connection(host, int(port))
        except OSError as error:
            refused = error
        else:
            with closing(writer):
                return
    raise refused or OSError("no server was named")


async def _wait(ask: Callable[[], Awaitable[None]], what: str, *, variable: str, seconds: float, say: Say) -> None:
    reason = ""
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await ask()
                except Exception as error:  # noqa: BLE001 - whatever the client raises means: not yet
                    if not reason:
                        say(f"{what} does not answer yet; asking for {seconds:g} s")
                    reason = str(error) or type(error).__name__
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        raise Unavailable(
            f"{what} did not answer within {seconds:g} s ({reason or 'no reply'})",
            next_step=f"start it (`cartwheel up` starts a local one), or correct {variable}",
        ) from None
