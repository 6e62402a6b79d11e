"""Tables with one partition for each day, made when the first row of a day comes; and the bound to their number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from agents.errors import Halted

PARTITIONS_MAX = 800  # days; every claim looks into each of them

# Asked of the catalog's tables and not by `to_regclass`, whose cache may be older than the lock it is asked under.
MISSING = """
SELECT day FROM unnest($1::date[]) AS day WHERE NOT EXISTS (
    SELECT FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relname = $2 || '_' || to_char(day, 'YYYYMMDD') AND nspname = current_schema()
) ORDER BY day
"""
LOCK = "SELECT pg_advisory_xact_lock('{table}'::regclass::bigint)"
COUNT = "SELECT count(*) FROM pg_inherits WHERE inhparent = '{table}'::regclass"
MAKE = "CREATE TABLE {table}_{day:%Y%m%d} PARTITION OF {table} FOR VALUES IN ('{day}')"


async def make_days(connection: Any, table: str, days: Iterable[date], *, page: str) -> None:
    """Make the partitions of these days where they are missing. `page` tells people how to make room.

    Raises `Halted` if one of them would be one too many.
    """
    wanted = sorted(days)
    if not await connection.fetch(MISSING, wanted, table):
        return
    async with connection.transaction():
        await connection.execute(LOCK.format(table=table))
        # Asked again under the lock: another process may have made them meanwhile.
        missing = [row["day"] for row in await connection.fetch(MISSING, wanted, table)]
        if await connection.fetchval(COUNT.format(table=table)) + len(missing) > PARTITIONS_MAX:
            raise Halted(
                f"the table {table} holds one partition for each day of decisions, {PARTITIONS_MAX} at most, and"
                f" {missing[0]} would be one more",
                next_step=f"drop the oldest partitions as {page} describes, then start again; nothing is lost",
            )
        for day in missing:
            await connection.execute(MAKE.format(table=table, day=day))
