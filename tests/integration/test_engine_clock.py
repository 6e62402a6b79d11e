"""Time on both clocks: ticks reach no further than intake has, and a carried log needs none."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson

from agents.stack import Addresses
from schemas.control import END_KEY, TICK_KEY, WATERMARK_KEY
from schemas.instants import from_wire, to_wire
from tests.integration import engine_flows
from tests.integration.engine_log import TENANT, append, append_event, event, mark, until
from tests.integration.engine_rig import rig
from tests.oracle.flowfile import load_flow
from tests.oracle.replay import run_carried

VIEWED, CHECKOUT, ORDER = (
    "commerce.product.viewed.v1",
    "commerce.checkout.started.v1",
    "commerce.order.placed.v1",
)
ALL = range(4)


def _promise(at: int) -> dict[str, str]:
    return {"source": "shop.orders", "complete_through": to_wire(at), "tenant": TENANT}


async def test_nothing_is_released_beyond_the_slowest_raw_partition(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        await (await made.worker()).until_ready()
        await mark(made, through=0, raw_partitions=ALL)  # from when on the worker hears, and believes newer ones
        await append_event(made, 0, event("early", VIEWED, at=int(time.time() * 1000) - 5_000))
        stuck_at = int(time.time() * 1000)
        await append_event(made, 0, event("late", VIEWED, at=stuck_at + 1))  # due a second after the mark
        await mark(made, through=stuck_at + 60_000, raw_partitions=(0, 1, 2))
        await mark(made, through=stuck_at, raw_partitions=(3,))
        sent = await until(made, made.topics.commands, bool)
        assert [orjson.loads(record.value)["profile_id"] for record in sent] == ["early"]

        # A promise made when the second one is long due brings a tick, and the tick does not release it.
        await asyncio.sleep(max(0, stuck_at / 1000 + 2 - time.time()))
        await mark(made, through=stuck_at, promise=stuck_at, raw_partitions=ALL)
        log = await until(made, made.topics.profile_log, lambda log: any(b"watermarks" in one.value for one in log))
        told = [one for one in log if one.key == TICK_KEY and b"watermarks" in one.value]
        assert all(from_wire(orjson.loads(one.value)["through"]) <= stuck_at for one in log if one.key == TICK_KEY)
        assert len(await until(made, made.topics.commands, bool)) == 1
        assert {one.partition for one in told} <= set(ALL)

        await mark(made, through=stuck_at + 60_000, raw_partitions=ALL)
        sent = await until(made, made.topics.commands, lambda records: len(records) == 2)
        assert {orjson.loads(record.value)["profile_id"] for record in sent} == {"early", "late"}


async def test_a_carried_log_is_worked_off_without_ticks(stack: Addresses, home: Path, namespace: str) -> None:
    start = from_wire("2025-03-01T10:00:00.000Z")
    lines = [
        (start, event("buys", CHECKOUT, at=start)),
        (start + 500, event("looks", VIEWED, at=start)),
        (start + 1_000, event("leaves", CHECKOUT, at=start + 1_000)),
        (start + 1_500, event("buys", ORDER, at=start + 1_400)),
        (start + 9_000, None),
        (start + 9_500, event("looks", VIEWED, at=start + 9_400)),
    ]
    async with rig(kafka=stack.kafka, home=home, namespace=namespace, clock="carried") as made:
        worker = await made.worker()
        await worker.until_ready()
        for at, body in lines:
            if body is None:
                for number in ALL:
                    await append(made, number, (WATERMARK_KEY, orjson.dumps(_promise(at))), carried_at=at)
            else:
                await append_event(made, 1, body, carried_at=at)
        for number in ALL:
            await append(made, number, (END_KEY, b"{}"), carried_at=start + 10_000)
        replayed = run_carried(
            [load_flow(text) for text in engine_flows.FLOWS.values()],
            [{**(body or {"watermark": _promise(at)}), "arrived_at": to_wire(at)} for at, body in lines],
        )
        expected = {command.command_id: to_wire(command.decided_at) for command in replayed.commands}
        assert len(expected) == 4
        sent = await until(made, made.topics.commands, lambda records: len(records) >= len(expected))
        commands = [one for one in (orjson.loads(record.value) for record in sent) if "recall_id" not in one]
        assert {command["command_id"]: command["decided_at"] for command in commands} == expected
        assert {command["clock"] for command in commands} == {"carried"}
        assert await worker.stop() == 0
        log = await until(made, made.topics.profile_log, bool)
        assert not [record for record in log if record.key == TICK_KEY]


async def test_a_record_of_the_other_clock_is_a_dead_letter(stack: Addresses, home: Path, namespace: str) -> None:
    now = int(time.time() * 1000)
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        await append_event(made, 2, event("carried", VIEWED, at=now), carried_at=now)
        await append_event(made, 2, event("live", VIEWED, at=now - 2_000))
        worker = await made.worker()
        await worker.until_ready()
        await mark(made, through=now + 60_000, raw_partitions=ALL)
        (letter,) = await until(made, made.topics.dead_letters, bool)
        found = orjson.loads(letter.value)
        assert (found["reason"], found["partition"], found["offset"]) == ("carried_time_on_live_log", 2, 0)
        (sent,) = await until(made, made.topics.commands, bool)
        assert orjson.loads(sent.value)["profile_id"] == "live", "the stream goes on"
