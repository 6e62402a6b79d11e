"""Leases: who may carry out a command now. Every clock here is the database's, so dispatchers need not agree on one.

A lease is an expiry time and a fencing token; whoever holds another token than the row's may not write. Claiming leaves
a row `pending`, so a process that dies then costs nothing. `begin` moves it to `sending`, and from there only the one
who sends knows more than that it was tried.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from agents.dispatch.database import Database
from schemas import codec
from schemas.command import Command

CLAIM_SECONDS = 30.0  # from the claim until sending begins
SEND_SECONDS = 60.0  # from there until the outcome is written; longer than a send and our patience with PostgreSQL
SWEEP_MAX = 1_000

CLAIM = """
WITH due AS (
    SELECT decided_on, command_id FROM commands
    WHERE state = 'pending' AND due_at <= now() AND (not_after IS NULL OR not_after >= now())
      AND (lease_until IS NULL OR lease_until < now())
    ORDER BY priority DESC, due_at, sequence LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE commands c SET owner = $2, token = (SELECT nextval('lease_token')), lease_until = now() + $3::interval
FROM due WHERE c.decided_on = due.decided_on AND c.command_id = due.command_id
RETURNING c.decided_on, c.command_id, c.token, c.attempts, c.sender, c.body, c.priority, c.due_at, c.sequence
"""
# A repetition after a lost connection finds its own rows in `sending` already; nothing has been sent in between.
BEGIN = """
UPDATE commands c SET state = 'sending', attempts = claimed.attempts + 1, lease_until = now() + $5::interval
FROM unnest($1::date[], $2::uuid[], $3::smallint[]) AS claimed (decided_on, command_id, attempts)
WHERE c.decided_on = claimed.decided_on AND c.command_id = claimed.command_id AND c.decided_on = ANY ($1)
  AND c.token = $4 AND c.state IN ('pending', 'sending') AND c.lease_until > now()
  AND (c.not_after IS NULL OR c.not_after >= now())
RETURNING c.command_id
"""
FINISH = """
UPDATE commands c SET state = o.state, reason = o.reason, provider_id = o.provider_id, lease_until = NULL,
    finished_at = CASE WHEN o.state = 'pending' THEN NULL ELSE now() END,
    due_at = CASE WHEN o.state = 'pending' THEN now() + o.retry_in ELSE c.due_at END
FROM unnest($1::date[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::interval[])
     AS o (decided_on, command_id, state, reason, provider_id, retry_in)
WHERE c.decided_on = o.decided_on AND c.command_id = o.command_id AND c.decided_on = ANY ($1)
  AND c.token = $7 AND c.state IN ('pending', 'sending', o.state)
RETURNING c.command_id
"""
RELEASE = """
UPDATE commands SET lease_until = NULL
WHERE decided_on = ANY ($1::date[]) AND command_id = ANY ($2::uuid[]) AND token = $3 AND state = 'pending'
"""
EXPIRE = """
WITH late AS (
    SELECT decided_on, command_id FROM commands WHERE state = 'pending' AND not_after < now()
    LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE commands c SET state = 'expired', reason = 'not_after', finished_at = now(), lease_until = NULL
FROM late WHERE c.decided_on = late.decided_on AND c.command_id = late.command_id
RETURNING c.sender, c.state
"""
# Their dispatcher died or lost its lease. What may be sent twice is sent again; of the rest nobody knows.
ABANDON = """
WITH lost AS (
    SELECT decided_on, command_id, sender = ANY ($2::text[]) AS again FROM commands
    WHERE state = 'sending' AND lease_until < now() LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE commands c SET state = CASE WHEN again THEN 'pending' ELSE 'unknown' END, reason = 'lease_expired',
    finished_at = CASE WHEN again THEN NULL ELSE now() END, lease_until = NULL
FROM lost WHERE c.decided_on = lost.decided_on AND c.command_id = lost.command_id
RETURNING c.sender, c.state
"""


#: The states in which a command has come to its end.
ENDS = ("accepted", "rejected", "expired", "unknown", "failed")


class Outcome(NamedTuple):
    """What became of one attempt. `pending` means: not accepted for sure, try again after `retry_in`."""

    state: Literal["accepted", "rejected", "expired", "unknown", "failed", "pending"]
    reason: str | None = None
    provider_id: str | None = None
    retry_in: timedelta | None = None


class Claimed(NamedTuple):
    """A command under our lease. `attempts` counts how often sending began before this lease."""

    decided_on: date
    command_id: str
    token: int
    attempts: int
    sender: str
    command: Command


class Leases:
    """The leases of one dispatcher process. Its name is new at every start, so no successor is taken for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.owner = uuid.uuid4()

    async def claim(self, limit: int) -> list[Claimed]:
        """Lease up to `limit` due commands that nobody holds, the most urgent first."""
        arguments = (limit, self.owner, timedelta(seconds=CLAIM_SECONDS))
        rows = await self._database.run(lambda connection: connection.fetch(CLAIM, *arguments))
        rows.sort(key=lambda row: (-row["priority"], row["due_at"], row["sequence"]))
        return [_claimed(row) for row in rows]

    async def begin(self, claimed: Sequence[Claimed]) -> set[str]:
        """Move rows of one claim to `sending`. Returns the ids that may be sent now, and must be tried at most once.

        Missing are those whose lease or time to send has run out.
        """
        if not claimed:
            return set()
        days, ids = _keys(claimed)
        arguments = (days, ids, [row.attempts for row in claimed], claimed[0].token, timedelta(seconds=SEND_SECONDS))
        rows = await self._database.run(lambda connection: connection.fetch(BEGIN, *arguments))
        return {row["command_id"].hex for row in rows}

    async def finish(self, outcomes: Sequence[tuple[Claimed, Outcome]]) -> set[str]:
        """Write the outcomes of rows of one claim. Returns the ids written: for the others our lease was over."""
        if not outcomes:
            return set()
        days, ids = _keys([row for row, _ in outcomes])
        columns = zip(*(outcome for _, outcome in outcomes), strict=True)
        arguments = (days, ids, *columns, outcomes[0][0].token)
        rows = await self._database.run(lambda connection: connection.fetch(FINISH, *arguments))
        return {row["command_id"].hex for row in rows}

    async def release(self, claimed: Sequence[Claimed]) -> None:
        """Give back rows of one claim whose sending has not begun."""
        if claimed:
            arguments = (*_keys(claimed), claimed[0].token)
            await self._database.run(lambda connection: connection.execute(RELEASE, *arguments))

    async def sweep(self, *, idempotent: Sequence[str]) -> list[tuple[str, str]]:
        """End what came too late and what a dead dispatcher left in `sending`. Returns (sender, state) of each row."""
        late = await self._database.run(lambda connection: connection.fetch(EXPIRE, SWEEP_MAX))
        lost = await self._database.run(lambda connection: connection.fetch(ABANDON, SWEEP_MAX, list(idempotent)))
        return [(row["sender"], row["state"]) for row in (*late, *lost)]


def _claimed(row: Any) -> Claimed:
    command = codec.decode(row["body"].encode(), Command)
    return Claimed(row["decided_on"], row["command_id"].hex, row["token"], row["attempts"], row["sender"], command)


def _keys(claimed: Sequence[Claimed]) -> tuple[list[date], list[str]]:
    return [row.decided_on for row in claimed], [row.command_id for row in claimed]
