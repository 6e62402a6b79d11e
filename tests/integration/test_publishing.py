"""Flows that are published while a worker runs: the switch has one place in each partition, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson

from agents.definitions.book import Book, read_book
from agents.definitions.changes import Make, publishing, turning
from agents.definitions.desk import carry_out
from agents.flow_files import sound_flows
from agents.stack import Addresses
from schemas import codec
from schemas.codec import PARTITION_KEY
from schemas.control import ACTIVATION_KEY
from schemas.instants import to_wire
from tests.e2e.processes import cartwheel
from tests.integration import engine_flows
from tests.integration.engine_rig import Rig, rig
from tests.integration.engine_verdict import assert_replayed, read

PATIENCE_SECONDS = 60.0


async def _order(made: Rig, make: Make) -> Book:
    book, _ = await carry_out(made.kafka, made.topics, make)
    return book


async def _publish(made: Rig, old: str, new: str) -> Book:
    """Change the flow files, and publish them all."""
    text = engine_flows.FLOWS["checkout"].replace(old, new)
    (made.flows / "checkout.yaml").write_text(text)
    return await _order(made, publishing(sound_flows(made.flows)))


async def _switched(made: Rig, number: int) -> None:
    """Wait until every partition says that an activation is in force."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            state = await read(made.kafka, made.topics.profile_state)
            records = [[one.value for one in some if one.key == PARTITION_KEY] for some in state]
            if all(some and codec.unpack_partition(some[-1]).activation == number for some in records):
                return
            await asyncio.sleep(0.2)


def _switches(log: list[list[Any]]) -> list[list[int]]:
    """Per partition the numbers of activations, in the order of the log, each where it is first met."""
    found = []
    for records in log:
        numbers = [orjson.loads(one.value)["number"] for one in records if one.key == ACTIVATION_KEY]
        found.append(list(dict.fromkeys(numbers)))
    return found


async def test_two_publications_under_a_worker_that_is_killed_between_them(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        first = await made.worker()
        await first.until_ready()
        traffic = made.traffic(seed=12, events=3000, per_second=120, profiles=400)
        writing = asyncio.create_task(traffic.run())
        await asyncio.sleep(4)
        one = await _publish(made, "wait: { for: 2s }", "wait: { for: 1s }")
        await asyncio.sleep(0.4)  # some partitions have it in their log by now, others may not
        await first.kill()
        two = await _publish(made, "checkout_second", "checkout_last")
        second = await made.worker()
        await second.until_ready()
        await _switched(made, two.newest)
        three = await _order(made, turning("browse", "stop"))
        await _switched(made, three.newest)
        traffic.enough()
        await traffic.all_written.wait()
        await made.drained(timers_too=False)
        await asyncio.sleep(3)
        writing.cancel()
        assert await second.stop() == 0

        log = await read(made.kafka, made.topics.profile_log)
        state = await read(made.kafka, made.topics.profile_state)
        decided = await read(made.kafka, made.topics.decisions)
        book = await read_book(made.kafka, made.topics)
        for numbers in _switches(log):
            assert numbers == sorted(numbers)
            assert numbers[-2:] == [two.newest, three.newest]
            assert set(numbers) <= {one.newest, two.newest, three.newest}
        assert_replayed(
            book, log=log, state=state, decided=decided, topic=made.topics.profile_log.name,
            incarnation=made.identity.incarnation,
        )  # fmt: skip
        versions = {
            name: [orjson.loads(one.value)["flow_version"] for some in decided for one in some
                   if orjson.loads(one.value)["flow"] == name and orjson.loads(one.value)["outcome"] == "entered"]
            for name in engine_flows.FLOWS
        }  # fmt: skip
        assert len(set(versions["checkout"])) >= 2, "people entered the new versions"
        assert len(set(versions["browse"])) == 1


async def test_people_are_moved_to_the_newest_version(stack: Addresses, home: Path, namespace: str) -> None:
    """Semantics 12.5: `plan` prints counts, `apply` writes records, a removed label without mapping is an error."""
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        long = engine_flows.FLOWS["checkout"].replace("wait: { for: 2s }", "label: long\n    wait: { for: 2h }")
        (made.flows / "checkout.yaml").write_text(long)
        (made.flows / "browse.yaml").unlink()
        worker = await made.worker()
        await worker.until_ready()
        traffic = made.traffic(seed=13, events=400, per_second=1e6, profiles=300)
        writing = asyncio.create_task(traffic.run())
        await traffic.all_written.wait()
        await made.drained(timers_too=False)
        (made.flows / "checkout.yaml").write_text(long.replace("label: long", "label: short").replace("2h", "3h"))
        book = await _order(made, publishing(sound_flows(made.flows)))
        await _switched(made, book.newest)

        async def flows(*words: str, code: int = 0) -> Any:
            done = await cartwheel("flows", *words, "--json", environ=made.environ)
            assert done.code == code, done
            return done.data

        labels = made.home / "labels.yaml"
        labels.write_text("long: short\n")
        assert "long: removed" in (await flows("plan", "checkout", code=65))["error"]
        counted = await flows("plan", "checkout", "--map", str(labels))
        assert counted["people"] > 50
        assert [(one["label"], one["to"], one["people"]) for one in counted["steps"]] == [
            ("long", "short", counted["people"])
        ]
        ordered = await flows("apply", "checkout", "--map", str(labels), "--per-second", "200")
        assert ordered["ordered"] == counted["people"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await flows("plan", "checkout", "--map", str(labels)))["people"]:
                await asyncio.sleep(0.5)
        writing.cancel()
        assert await worker.stop() == 0
        moved = [
            orjson.loads(one.value)
            for some in await read(made.kafka, made.topics.decisions)
            for one in some
            if orjson.loads(one.value)["outcome"] == "moved"
        ]
        assert len({one["enrollment_id"] for one in moved}) == len(moved) == counted["people"]
        assert {one["values"]["to_step"] for one in moved} == {"short"}


async def test_s0_12_people_enter_by_orders_of_long_ago(stack: Addresses, home: Path, namespace: str) -> None:
    """1 scheduled and 3 due now; or 1, 2, and 1 left out who is overdue by more than 30 days. Told twice, sent once."""
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        for file in made.flows.iterdir():
            file.unlink()
        (made.flows / "winback.yaml").write_text(
            """\
flow: winback
entry:
  trigger: { event: order_placed }
  reentry: always
exit:
  - when: { event: order_placed }
    reason: bought_again
steps:
  - wait: { for: 180d }
  - label: remind
    send: { template: winback, channel: log, class: marketing }
  - stop: done
"""
        )
        worker = await made.worker()
        await worker.until_ready()
        traffic = made.traffic(seed=14, events=0, per_second=1, profiles=1)
        marking = asyncio.create_task(traffic.run())
        now, orders = int(time.time() * 1000), made.home / "orders.ndjson"
        orders.write_bytes(
            b"\n".join(
                orjson.dumps(
                    {
                        "id": f"order-{days}", "source": "shop.orders", "type": "commerce.order.placed.v1",
                        "time": to_wire(now - days * 86_400_000), "tenant": "shop",
                        "identity": {"external_id": f"buyer-{days}"}, "backfill": True,
                    }
                )
                for days in (30, 180, 181, 400)
            )
        )  # fmt: skip

        async def backfill(*words: str) -> list[int]:
            arguments = ("flows", "backfill", words[0], "winback", "--events", str(orders), *words[1:], "--json")
            done = await cartwheel(*arguments, environ=made.environ)
            assert done.code == 0, done
            return [done.data[outcome] for outcome in ("scheduled", "due_now", "left_out", "entered_before")]

        assert await backfill("plan") == [1, 3, 0, 0]
        assert await backfill("plan", "--max-overdue", "30d") == [1, 2, 1, 0]
        assert await backfill("run", "--max-overdue", "30d") == [1, 2, 1, 0]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await backfill("plan") != [0, 1, 0, 3]:  # until their states stand in the changelog
                await asyncio.sleep(0.3)
        assert await backfill("run") == [0, 1, 0, 3]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(map(len, await read(made.kafka, made.topics.commands))) < 3:
                await asyncio.sleep(0.3)
        await made.drained(timers_too=False)
        marking.cancel()
        assert await worker.stop() == 0
        sent = [orjson.loads(one.value) for some in await read(made.kafka, made.topics.commands) for one in some]
        assert len(sent) == len({one["profile_id"] for one in sent}) == 3
