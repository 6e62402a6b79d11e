"""Taking commands into the ledger: one statement for a batch, one partition for a day, each command once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from agents.dispatch.database import Database
from agents.dispatch.days import make_days
from schemas import codec, instants
from schemas.command import Recall

BATCH_MAX = 500  # rows a statement: more brings nothing (measured), and an error costs less
HASH_BYTES = 16

SENDER_OF_CHANNEL = {"email": "smtp", "log": "log"}
NO_SENDER = "none"

INSERT = """
INSERT INTO commands (decided_on, command_id, body_hash, body, sender, priority, not_after)
SELECT * FROM unnest($1::date[], $2::uuid[], $3::bytea[], $4::json[], $5::text[], $6::smallint[], $7::timestamptz[])
ON CONFLICT DO NOTHING RETURNING command_id
"""
CONFLICTING = """
SELECT DISTINCT command_id FROM commands
JOIN unnest($1::date[], $2::uuid[], $3::bytea[]) AS taken (decided_on, command_id, hash) USING (decided_on, command_id)
WHERE decided_on = ANY ($1) AND body_hash <> hash
"""


class Order(NamedTuple):
    """A command as a row of the ledger."""

    decided_on: date
    command_id: str
    body_hash: bytes
    body: str
    sender: str
    priority: int
    not_after: datetime | None
    """`None` on a carried clock, whose times say nothing about when the message leaves."""


class Taken(NamedTuple):
    """What became of a batch: so many rows are new, so many were there, and these ids came with another body."""

    new: int
    repeated: int
    conflicting: Sequence[str]


def order(value: bytes) -> Order | None:
    """A row from the bytes on the topic, None for a recall. Raises `Undecodable`, also for an impossible time."""
    command = codec.decode_order(value)
    if isinstance(command, Recall):
        return None
    try:
        decided_at, not_after = (
            instants.to_datetime(instants.from_wire(text)) for text in (command.decided_at, command.not_after)
        )
    except ValueError as error:
        raise codec.Undecodable(f"Command: {error}") from error
    # Hashed and kept in canonical form: the same order written by another version of us is still the same order.
    body = codec.encode(command)
    return Order(
        decided_on=decided_at.date(),
        command_id=command.command_id,
        body_hash=hashlib.blake2b(body, digest_size=HASH_BYTES).digest(),
        body=body.decode(),
        sender=SENDER_OF_CHANNEL.get(command.channel, NO_SENDER),
        priority=command.priority,
        not_after=None if command.clock == "carried" else not_after,
    )


async def take(database: Database, orders: Sequence[Order]) -> Taken:
    """Insert a batch of at most `BATCH_MAX` rows; those already there stay as they are.

    Raises `Halted` if a new day would be one partition too many.
    """
    assert len(orders) <= BATCH_MAX
    columns = list(zip(*orders, strict=True))

    async def work(connection: Any) -> Taken:
        await make_days(connection, "commands", set(columns[0]), page="docs/reference/ledger.md")
        new = await connection.fetch(INSERT, *columns)
        if len(new) == len(orders):
            return Taken(len(new), 0, ())
        conflicting = await connection.fetch(CONFLICTING, *columns[:3])
        return Taken(len(new), len(orders) - len(new), [row["command_id"].hex for row in conflicting])

    return await database.run(work)
