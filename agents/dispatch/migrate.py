"""Bring our tables up to date. Each namespace has a PostgreSQL schema of its own, as it has its own topics."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from agents import resources
from agents.errors import Misconfigured

IDENTIFIER_BYTES_MAX = 63
_DIGEST_LENGTH = 8
_ALONE = threading.Lock()


def schema_name(namespace: str) -> str:
    """The PostgreSQL schema of a namespace: its own word, and a digest where PostgreSQL would cut it short."""
    if len(namespace) <= IDENTIFIER_BYTES_MAX:
        return namespace
    digest = hashlib.blake2b(namespace.encode(), digest_size=_DIGEST_LENGTH // 2).hexdigest()
    return f"{namespace[: IDENTIFIER_BYTES_MAX - _DIGEST_LENGTH - 1]}_{digest}"


def search_path(namespace: str) -> dict[str, str]:
    """The server setting that makes plain table names mean those of this namespace."""
    return {"search_path": f'"{schema_name(namespace)}"'}


async def migrate(dsn: str, *, namespace: str) -> None:
    """Run the migrations that are missing, in one transaction. Several processes may do so at once: one does the work.

    Alembic and SQLAlchemy are used here and nowhere else; `dsn` is understood by asyncpg, as everywhere. Raises
    `Misconfigured` if the database refuses.
    """
    try:
        await asyncio.to_thread(_migrate_alone, dsn, namespace)
    except DBAPIError as error:
        raise Misconfigured(
            f"the tables could not be set up in schema {schema_name(namespace)!r} ({error.orig})",
            next_step="let the database user of CARTWHEEL_POSTGRES create schemas, or create this one for it to own",
        ) from error


def _migrate_alone(dsn: str, namespace: str) -> None:
    # On a thread with a loop of its own, because Alembic keeps its context in a global: one at a time in a process.
    with _ALONE:
        asyncio.run(_migrate(dsn, namespace))


async def _migrate(dsn: str, namespace: str) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(dsn, server_settings=search_path(namespace)),
        poolclass=NullPool,
    )
    lock = {"name": f"cartwheel ledger {namespace}"}
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), lock)
            await connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema_name(namespace)}"'))
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    # Alembic reads options through an interpolating parser, to which a percent sign is special.
    config.set_main_option("script_location", str(resources.migrations()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
