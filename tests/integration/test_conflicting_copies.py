"""A conflicting copy is shown beside the one that counts, which stands in the log for as long as that keeps it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from agents.outgoing import partition_of
from agents.stack import Addresses
from schemas import codec
from schemas.command import Clock
from schemas.dead_letter import DeadLetter
from schemas.instants import from_wire
from tests.e2e.processes import cartwheel
from tests.integration.engine_log import TENANT, append_event, event, until
from tests.integration.engine_rig import PARTITIONS, Rig, rig
from tests.integration.engine_verdict import read

START = from_wire("2026-11-20T10:00:00.000Z")
ANN = partition_of(f"{TENANT}/ann".encode(), PARTITIONS)


def ordered(id_: str, total: str, sku: str) -> dict[str, Any]:
    made = event("ann", "commerce.order.placed.v1", at=START, id_=id_) | {"dedupe_key": "order:7", "backfill": True}
    return made | {"value": {"amount": total, "currency": "EUR"}, "items": [{"sku": sku}]}


async def write(made: Rig, clock: Clock) -> None:
    """The order, others, the order once more as it was, and then as it was not."""
    bodies = [
        event("ann", "commerce.checkout.started.v1", at=START) | {"backfill": True},
        ordered("a", "9.00", "mug"),
        event("ann", "commerce.product.viewed.v1", at=START) | {"backfill": True},
        ordered("b", "9.00", "mug"),
        ordered("c", "8.00", "mug"),
    ]
    for place, body in enumerate(bodies):
        await append_event(made, ANN, body, carried_at=START + 700 * place if clock == "carried" else None)
        await asyncio.sleep(0.4)


async def shown(made: Rig, name: str, *options: str) -> Any:
    done = await cartwheel("dead-letters", "show", name, *options, environ=made.environ)
    assert done.code == 0, done.out + done.err
    return done


@pytest.mark.parametrize("clock", ["live", "carried"])
async def test_the_copy_that_counts_is_shown_beside_the_other_one(
    stack: Addresses, home: Path, namespace: str, clock: Clock
) -> None:
    """Semantics 1.4: the first copy counts, and a copy that says something else is kept."""
    async with rig(kafka=stack.kafka, home=home, namespace=namespace, clock=clock) as made:
        await made.worker()
        await write(made, clock)
        (record,) = await until(made, made.topics.dead_letters, bool)
        told = codec.decode(record.value, DeadLetter)
        log = {one.offset: one for one in (await read(made.kafka, made.topics.profile_log))[ANN]}
        (first,) = (offset for offset, one in log.items() if b'"id":"a"' in one.value)
        assert orjson.loads(log[told.offset].value)["id"] == "c"

        name = f"profile-log/{ANN}/{told.offset}"
        (letter,) = (await shown(made, name, "--json")).data["letters"]
        assert (letter["first"]["offset"], orjson.loads(letter["first"]["text"])["id"]) == (first, "a")
        assert letter["differences"] == [
            {"field": "/value/amount", "first": "9.00", "copy": "8.00", "counts": True},
            {"field": "/id", "first": "a", "copy": "c", "counts": False},
        ]
        assert f"/{ANN}/{first} and was appended at 20" in (await shown(made, name)).out

        await _forget(made, below=first + 1)
        (letter,) = (await shown(made, name, "--json")).data["letters"]
        assert ("first" in letter, "differences" in letter, orjson.loads(letter["text"])["id"]) == (False, False, "c")
        assert letter["first_gone"].endswith(" any more")
        assert " any more" in (await shown(made, name)).out


async def _forget(made: Rig, *, below: int) -> None:
    """What retention does, at once."""
    admin = AIOKafkaAdminClient(bootstrap_servers=made.kafka)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(made.topics.profile_log.name, ANN): RecordsToDelete(below)})
    finally:
        await admin.close()
