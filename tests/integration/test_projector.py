"""The projector on real Kafka and PostgreSQL: every decision once, whatever dies; and the questions it answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from agents import projector, topics_admin
from agents.dispatch import days
from agents.dispatch.migrate import search_path
from agents.errors import Halted
from agents.settings import Port, Settings
from agents.stack import members
from agents.topic_reader import read_to_end
from schemas import codec, instants
from schemas.dead_letter import DeadLetter
from schemas.decision import Cause, Decision, Outcome
from schemas.identity import profile_id, profile_key
from schemas.topics import topics
from tests.e2e.processes import cartwheel
from tests.integration.dispatch_stage import read_page

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.1
STARTED_AT = instants.from_wire("2026-01-01T10:00:00Z")
ANN = profile_id(tenant="acme", kind="email", value="ann@example.com")

NEW = 'cartwheel_projector_decisions_total{outcome="new"}'
KEY = profile_key(tenant="acme", profile_id=ANN)


def decision(number: int, outcome: Outcome = "entered", reason: str = "triggered", **changes: Any) -> Decision:
    values = {
        "decision_id": f"{number:032x}",
        "tenant": "acme",
        "profile_id": ANN,
        "flow": "cart",
        "flow_version": "v1",
        "enrollment_id": f"{number // 10:032x}",
        "outcome": outcome,
        "reason": reason,
        "values": {},
        "cause": Cause(topic="log", partition=0, offset=number),
        "decided_at": instants.to_wire(STARTED_AT + number * 1000),
        "clock": "live",
    }
    return Decision(**{**values, **changes})


class Stage:
    """One namespace with its topics and tables."""

    def __init__(self, settings: Settings) -> None:
        assert settings.kafka is not None
        assert settings.postgres is not None
        self.settings, self.kafka, self.dsn = settings, settings.kafka, settings.postgres
        self.topics = topics(settings.namespace, partitions=settings.partitions)
        self.environ = {
            "CARTWHEEL_HOME": str(settings.home),
            "CARTWHEEL_NAMESPACE": settings.namespace,
            "CARTWHEEL_PARTITIONS": str(settings.partitions),
            "CARTWHEEL_KAFKA": self.kafka,
            "CARTWHEEL_POSTGRES": self.dsn,
        }
        self.processes: list[asyncio.subprocess.Process] = []

    async def put(self, *values: bytes) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all")
        await producer.start()
        try:
            for value in values:
                await producer.send(self.topics.decisions.name, value, key=KEY)
            await producer.flush()
        finally:
            await producer.stop()

    async def decide(self, *decisions: Decision) -> None:
        await self.put(*map(codec.encode, decisions))

    @asynccontextmanager
    async def projecting(self) -> AsyncIterator[asyncio.Task[None]]:
        """A projector in this process while the body runs; a failure of it is raised at the end."""
        stop = asyncio.Event()
        options = projector.Options(
            home=self.settings.home,
            namespace=self.settings.namespace,
            partitions=self.settings.partitions,
            kafka=self.kafka,
            postgres=self.dsn,
            metrics_port=Port("TEST", 19_300),
        )
        task = asyncio.create_task(projector.run(options, stop=stop, say=print))
        try:
            yield task
        finally:
            stop.set()
            await task

    async def start(self, *, kill: str = "") -> asyncio.subprocess.Process:
        """`cartwheel projector` as a process of its own, with a kill point if one is named."""
        environ = {**os.environ, **self.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agents.cli", "projector", env={**environ, "CARTWHEEL_KILL_POINT": kill}
        )
        self.processes.append(process)
        return process

    async def ids(self) -> list[int]:
        """The numbers of all decisions in the table, in order."""
        connection = await asyncpg.connect(self.dsn, server_settings=search_path(self.settings.namespace))
        try:
            rows = await connection.fetch("SELECT decision_id FROM decisions ORDER BY decision_id")
            return [row["decision_id"].int for row in rows]
        except asyncpg.UndefinedTableError:
            return []  # the projector has not made it yet
        finally:
            await connection.close()

    async def holds(self, wanted: list[int]) -> None:
        """Wait until the table holds these and no others."""
        found: list[int] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (found := await self.ids()) != wanted:
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE_SECONDS:g} s: {len(wanted)} rows, but {len(found)}") from None

    async def metrics(self, says: Callable[[str], bool]) -> None:
        """Wait until the page of the one running projector says something."""
        page = ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not says(page):
                    await asyncio.sleep(POLL_SECONDS)
                    urls = [member.metrics_url for member in members(self.settings.home) if member.metrics_url]
                    page = await asyncio.to_thread(read_page, urls[0]) if urls else ""
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE_SECONDS:g} s:\n{page}") from None

    async def dead_letters(self) -> list[DeadLetter]:
        return [
            codec.decode(record.value, DeadLetter)
            async for record in read_to_end(self.kafka, self.topics.dead_letters)
        ]  # fmt: skip


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    made = Stage(settings)
    await topics_admin.apply(made.kafka, made.topics, clock="live")
    try:
        yield made
    finally:
        for process in made.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_every_decision_is_there_once_and_what_is_none_is_a_dead_letter(stage: Stage) -> None:
    async with stage.projecting():
        await stage.decide(decision(1), decision(2), decision(1))
        await stage.put(b'{"schema":"cartwheel.decision.v9"}')
        await stage.decide(decision(3, decided_at="2026-01-02T10:00:00.000Z"))
        await stage.holds([1, 2, 3])
        await stage.metrics(
            lambda page: all(
                line in page
                for line in (
                    'cartwheel_projector_decisions_total{outcome="new"} 3.0',
                    'cartwheel_projector_decisions_total{outcome="repeated"} 1.0',
                    'cartwheel_dead_letters_total{reason="undecodable",stage="projector"} 1.0',
                    f'cartwheel_consumer_lag_records{{partition="0",topic="{stage.topics.decisions.name}"}} 0.0',
                )
            )
        )
    [letter] = await stage.dead_letters()
    assert (letter.stage, letter.reason, letter.topic) == ("projector", "undecodable", stage.topics.decisions.name)


async def test_killed_between_table_and_offset_it_takes_nothing_twice(stage: Stage) -> None:
    await stage.decide(*map(decision, range(2_000)))
    for _ in range(2):
        process = await stage.start(kill="projector_inserted:1")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await process.wait() == -signal.SIGKILL
    assert 0 < len(await stage.ids()) < 2_000
    process = await stage.start()
    await stage.holds(list(range(2_000)))
    process.terminate()
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await process.wait() == 0


async def test_killed_under_way_it_loses_nothing(stage: Stage) -> None:
    first = await stage.start()
    for start in range(0, 4_000, 500):
        await stage.decide(*map(decision, range(start, start + 500)))
        if start == 2_000:
            await stage.metrics(
                lambda page: 'decisions_total{outcome="new"}' in page and 'outcome="new"} 0.0' not in page
            )
            first.kill()
            await first.wait()
            await stage.start()
    await stage.holds(list(range(4_000)))


async def test_one_day_too_many_stops_it_and_loses_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage.projecting():
        await stage.decide(decision(1))
        await stage.holds([1])
    with monkeypatch.context() as patched:
        patched.setattr(days, "PARTITIONS_MAX", 1)
        await stage.decide(decision(2, decided_at="2026-01-02T10:00:00.000Z"))
        with pytest.raises(Halted, match="the table decisions holds one partition for each day"):
            async with stage.projecting() as task:
                await task
    async with stage.projecting():
        await stage.holds([1, 2])


async def test_s0_21_it_adds_up_what_was_credited(stage: Stage) -> None:
    def credited(number: int, amount: str, order_id: str, **changes: Any) -> Decision:
        values = {"order_id": order_id, "amount": amount, "currency": "USD", "net": amount}
        return decision(number, "credited", "clicked", values=values, **changes)

    decisions = [credited(1, "80.00", "O1"), credited(2, "-30.00", "O1"), credited(3, "5.5", "O2"), decision(4)]
    decisions += [credited(5, "7.00", "O3", flow="browse"), credited(6, "9.00", "O4", tenant="other")]
    async with stage.projecting():
        await stage.decide(*decisions, *decisions)
        await stage.holds([1, 2, 3, 4, 5, 6])
    told = await cartwheel("revenue", "--tenant", "acme", "--days", "3660", "--json", environ=stage.environ)
    assert told.code == 0, told
    assert [(one["flow"], one["currency"], one["net"], one["orders"]) for one in told.data["flows"]] == [
        ("browse", "USD", "7.00", 1),
        ("cart", "USD", "55.50", 2),
    ]
    assert "nothing was credited" in (await cartwheel("revenue", "--tenant", "x", environ=stage.environ)).out


async def test_it_answers_why_and_why_not(stage: Stage) -> None:
    before = await cartwheel("why-not", "ann@example.com", "cart", "--json", environ=stage.environ)
    assert before.code == 69, before
    command_id = "c" * 32
    async with stage.projecting():
        await stage.decide(
            decision(10),
            decision(11, "held", "settle", step="remind:settle"),
            decision(12, "sent", "due", step="remind", command_id=command_id),
            decision(14, "recalled", "bought", step="remind", command_id=command_id),
            decision(13, "ended", "done"),
            decision(30, "credited", "clicked", enrollment_id=None, flow="cart", values={"command_id": command_id}),
            decision(20, "refused", "reentry_min_gap", enrollment_id=None),
            decision(21, "refused", "trigger_too_old", enrollment_id=None, flow="browse"),
        )
        await stage.holds([10, 11, 12, 13, 14, 20, 21, 30])
    asked = [
        ("why", command_id),
        ("why", "d" * 32),
        ("why", "x"),
        ("why-not", "Ann@example.com", "cart", "--tenant", "acme"),
        ("why-not", f"acme/{ANN}", "browse"),
        ("why-not", f"acme/{ANN}", "welcome"),
        ("why-not", "ann@example.com", "cart"),
    ]
    told = [await cartwheel(*words, "--json", environ=stage.environ) for words in asked]
    assert [one.code for one in told] == [0, 65, 65, 0, 0, 0, 0], told
    assert [one["decision_id"] for one in told[0].data["story"]] == [f"{number:032x}" for number in range(10, 15)]
    assert [one["outcome"] for one in told[0].data["aftermath"]] == ["recalled", "credited"]
    assert told[0].data["decision"]["outcome"] == "sent"
    assert told[0].data["decision"]["command_id"] == command_id
    verdicts = [(one.data["verdict"], one.data["times"]) for one in told[3:]]
    assert verdicts == [("refused", 1), ("refused", 1), ("never_triggered", 0), ("unknown_person", 0)]
    plain = await cartwheel("why", command_id, environ=stage.environ)
    assert "remind: a message was ordered." in plain.out
    assert json.loads(told[0].out)["fate"] is None
