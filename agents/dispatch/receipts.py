"""The receipts loop: every outcome in the ledger becomes a receipt on its topic, at least once and under the same id.

A flag on the row says that its receipt is out. A cursor would skip rows whose transaction commits late.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import Any

from agents.dispatch.database import Database
from agents.kill_points import reached
from schemas import codec, instants
from schemas.command import Command, Receipt
from schemas.identity import profile_key

BATCH_MAX = 500
IDLE_SECONDS = 1.0

OWED = """
SELECT decided_on, command_id, body, sender, state, reason, provider_id, finished_at FROM commands
WHERE finished_at IS NOT NULL AND receipt_published_at IS NULL
ORDER BY finished_at LIMIT $1 FOR UPDATE SKIP LOCKED
"""
PUBLISHED = """
UPDATE commands c SET receipt_published_at = now()
FROM unnest($1::date[], $2::uuid[]) AS p (decided_on, command_id)
WHERE c.decided_on = p.decided_on AND c.command_id = p.command_id AND c.decided_on = ANY ($1)
"""


class Receipts:
    """Publishes until told to stop. `finished` is set whenever there is something new to publish."""

    def __init__(self, *, producer: Any, topic: str, database: Database, finished: asyncio.Event) -> None:
        self._producer, self._topic, self._database, self._finished = producer, topic, database, finished

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`."""
        while not stop.is_set():
            self._finished.clear()
            if not await self.publish():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._finished.wait(), IDLE_SECONDS)

    async def publish(self) -> int:
        """Publish one batch of what is owed. Returns how many that were."""

        async def work(connection: Any) -> int:
            async with connection.transaction():
                rows = await connection.fetch(OWED, BATCH_MAX)
                if rows:
                    await self._produce(rows)
                    reached("receipt_produced")
                    days, ids = ([row[name] for row in rows] for name in ("decided_on", "command_id"))
                    await connection.execute(PUBLISHED, days, ids)
                return len(rows)

        return await self._database.run(work)

    async def _produce(self, rows: list[Any]) -> None:
        acknowledged = []
        for row in rows:
            receipt = receipt_of(row)
            key = profile_key(tenant=receipt.tenant, profile_id=receipt.profile_id)
            acknowledged.append(await self._producer.send(self._topic, codec.encode(receipt), key=key))
        await asyncio.gather(*acknowledged)


def receipt_of(row: Any) -> Receipt:
    """The receipt of a finished row; the same row gives the same receipt."""
    command = codec.decode(row["body"].encode(), Command)
    return Receipt(
        receipt_id=receipt_id(command_id=command.command_id, outcome=row["state"]),
        command_id=command.command_id,
        tenant=command.tenant,
        profile_id=command.profile_id,
        flow=command.flow,
        channel=command.channel,
        sender=row["sender"],
        outcome=row["state"],
        reason=row["reason"],
        provider_id=row["provider_id"],
        at=instants.to_wire(instants.from_datetime(row["finished_at"])),
    )


def receipt_id(*, command_id: str, outcome: str) -> str:
    """Derived, so that a receipt that is published again is seen to be the same."""
    return hashlib.blake2b(f"{command_id}|{outcome}".encode(), digest_size=16).hexdigest()
