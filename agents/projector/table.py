"""The table of decisions: one statement for a batch, one partition for a day, each decision once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from agents.dispatch.database import Database
from agents.dispatch.days import make_days
from schemas import codec, instants
from schemas.decision import Decision

BATCH_MAX = 500  # rows a statement
PAGE = "docs/reference/decisions.md"

INSERT = """
INSERT INTO decisions (decided_on, decision_id, decided_at, tenant, profile_id, flow, enrollment_id, command_id,
                       log_partition, log_offset, body)
SELECT * FROM unnest($1::date[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::uuid[],
                     $8::uuid[], $9::integer[], $10::bigint[], $11::json[])
ON CONFLICT DO NOTHING RETURNING 1
"""


class Row(NamedTuple):
    """A decision as a row. Its place on the topic orders what was decided at one instant."""

    decided_on: date
    decision_id: str
    decided_at: datetime
    tenant: str
    profile_id: str
    flow: str
    enrollment_id: str | None
    command_id: str | None
    log_partition: int
    log_offset: int
    body: str


def row(value: bytes, *, partition: int, offset: int) -> Row:
    """A row from the bytes on the topic. Raises `Undecodable`, also for a time that does not exist."""
    decision = codec.decode(value, Decision)
    try:
        decided_at = instants.to_datetime(instants.from_wire(decision.decided_at))
    except ValueError as error:
        raise codec.Undecodable(f"Decision: {error}") from error
    return Row(
        decided_on=decided_at.date(),
        decision_id=decision.decision_id,
        decided_at=decided_at,
        tenant=decision.tenant,
        profile_id=decision.profile_id,
        flow=decision.flow,
        enrollment_id=decision.enrollment_id,
        command_id=decision.command_id,
        log_partition=partition,
        log_offset=offset,
        body=value.decode(),  # as it came: a newer worker may say more than we know
    )


async def take(database: Database, rows: Sequence[Row]) -> int:
    """Insert a batch of at most `BATCH_MAX` rows; returns how many are new. Raises `Halted` for a day too many."""
    assert len(rows) <= BATCH_MAX
    columns = list(zip(*rows, strict=True))

    async def work(connection: Any) -> int:
        await make_days(connection, "decisions", set(columns[0]), page=PAGE)
        return len(await connection.fetch(INSERT, *columns))

    return await database.run(work)
