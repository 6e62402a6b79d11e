"""Story 6, POISON: a bad record is a dead letter with its reason, holds up nobody else, and is not lost by anything."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from agents import topics_admin
from agents.outgoing import partition_of
from agents.stack import Addresses
from schemas import codec
from schemas.control import APPENDED_AT_HEADER, END_KEY
from schemas.dead_letter import DeadLetter, DeadLetterAction
from schemas.instants import from_wire
from schemas.limits import POISON_IN_WINDOW_MAX
from schemas.topics import MAX_MESSAGE_BYTES, Topic
from tests.e2e.processes import ROOT, Process, cartwheel
from tests.integration.engine_log import TENANT, event, remove, until
from tests.integration.engine_rig import PARTITIONS, Rig, rig
from tests.integration.engine_verdict import read
from tests.oracle.flowfile import load_flow
from tests.oracle.replay import run_carried

START = from_wire("2025-03-01T10:00:00.000Z")
CHECKOUT, ORDER = "commerce.checkout.started.v1", "commerce.order.placed.v1"
PROFILES = 700
FLOW = """\
flow: checkout
entry:
  trigger: { event: checkout_started }
  where: { channel_id: { ne: "99" } }
  reentry: never
exit:
  - when: { event: order_placed }
    reason: bought
steps:
  - wait: { for: 15m }
  - label: remind
    send: { template: t, channel: log, class: marketing }
  - stop: done
"""
#: What a bad deploy looks like: the program fails on every event of one channel.
DEFECT = """\
from streams.conditions.compare import _OPERATORS


def fail_on_thirteen(left, right):
    if left == "13":
        raise ZeroDivisionError("a defect")
    return left != right


_OPERATORS["ne"] = fail_on_thirteen
"""


class Line(NamedTuple):
    """One record for the profile log. `reason`: what it is refused for, empty if it is good."""

    at: int
    who: str
    value: bytes
    reason: str = ""

    @property
    def key(self) -> bytes:
        return f"{TENANT}/{self.who}".encode()

    @property
    def partition(self) -> int:
        return partition_of(self.key, PARTITIONS)


def good(who: str, type_: str, at: int, *, channel: str = "1") -> Line:
    body = event(who, type_, at=at) | {"context": {"channel_id": channel}}
    return Line(at, who, orjson.dumps(body), "evaluate" if channel == "13" else "")


def the_log() -> list[Line]:
    """A shop's hour. One in a hundred is malformed, one in a thousand makes the program fail, all kinds are there."""
    lines = []
    for number in range(PROFILES):
        who, at = f"p{number:04}", START + number * 1_000
        lines.append(good(who, CHECKOUT, at, channel="13" if number % 233 == 7 else "1"))
        if number % 2:
            lines.append(good(who, ORDER, at + 60_000))
    bad = (
        (b"", "empty_record"),
        (b'{"id": "\xff\xfe"}', "invalid_utf8"),
        (b'{"id":', "broken_json"),
        (orjson.dumps({"type": ORDER, "pad": "x" * 2_000_000}), "too_large"),
        (orjson.dumps(event("p", "commerce.order.plcaed.v1", at=START) | {"time": "2025"}), "unknown_type"),
    )
    for number in range(12):
        value, reason = bad[number % len(bad)]
        lines.append(Line(START + number * 50_000, f"p{number * 57:04}", value, reason))
    return sorted(lines, key=lambda line: line.at)


async def write(made: Rig, lines: Sequence[Line]) -> None:
    """Put lines on a profile log with a carried clock, each with its time."""
    async with AIOKafkaProducer(
        bootstrap_servers=made.kafka, enable_idempotence=True, max_request_size=MAX_MESSAGE_BYTES
    ) as producer:
        sent = [
            await producer.send(
                made.topics.profile_log.name, line.value or None, key=line.key, partition=line.partition,
                headers=[(APPENDED_AT_HEADER, str(line.at).encode())],
            )
            for line in lines
        ]  # fmt: skip
        await asyncio.gather(*sent)


async def end(made: Rig) -> None:
    """Let time run out on every partition, and wait until it has."""
    last = from_wire("2025-03-01T12:00:00.000Z")
    async with AIOKafkaProducer(bootstrap_servers=made.kafka) as producer:
        for number in range(PARTITIONS):
            await producer.send_and_wait(
                made.topics.profile_log.name, b"{}", key=END_KEY, partition=number,
                headers=[(APPENDED_AT_HEADER, str(last).encode())],
            )  # fmt: skip
    ends = [len(records) for records in await read(made.kafka, made.topics.profile_log)]
    async with asyncio.timeout(60):
        while made.tail.positions != ends:
            await asyncio.sleep(0.1)


async def letters(made: Rig) -> list[DeadLetter]:
    """Every letter, once."""
    found = {}
    for record in (record for records in await read(made.kafka, made.topics.dead_letters) for record in records):
        if b'"schema"' not in record.value[:20] and b"dead_letter_action" not in record.value:
            letter = codec.decode(record.value, DeadLetter)
            found[letter.partition, letter.offset, letter.profile] = letter
    return list(found.values())


async def sent(made: Rig) -> set[str]:
    """The ids of all commands: what was ordered, whatever the time."""
    records = [one for some in await read(made.kafka, made.topics.commands) for one in some]
    return {command.command_id for command in codec.commands_of(one.value for one in records)}


def clean_digest() -> set[str]:
    """What a log without a bad record gives, by the oracle."""
    lines = [orjson.loads(line.value) for line in the_log() if line.reason in ("", "evaluate")]
    return {command.command_id for command in run_carried([load_flow(FLOW)], lines).commands}


async def dead_letters(made: Rig, *arguments: str) -> Any:
    """`cartwheel dead-letters ... --json`, which must succeed."""
    done = await cartwheel("dead-letters", *arguments, "--json", environ=made.environ)
    assert done.code == 0, done.out + done.err
    return done.data


@asynccontextmanager
async def a_rig(stack: Addresses, home: Path, namespace: str) -> AsyncIterator[Rig]:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace, clock="carried") as made:
        for path in made.flows.glob("*.yaml"):
            path.unlink()
        (made.flows / "checkout.yaml").write_text(FLOW)
        yield made


async def test_poison_a_replay_after_the_fix_gives_the_clean_digest(
    stack: Addresses, home: Path, namespace: str
) -> None:
    defect = home / "defect"
    defect.mkdir()
    (defect / "sitecustomize.py").write_text(DEFECT)
    log, clean = the_log(), clean_digest()
    async with a_rig(stack, home, namespace) as made:
        made.environ["PYTHONPATH"] = f"{defect}:{ROOT}"
        await write(made, log)
        worker = await made.worker()
        await end(made)  # lag 0

        told = await letters(made)
        assert Counter(one.reason for one in told) == Counter(line.reason for line in log if line.reason)
        assert {one.profile for one in told} == {line.key.decode() for line in log if line.reason}
        originals = Counter(line.value for line in log if line.reason and line.reason != "too_large")
        assert Counter(one.value or b"" for one in told if one.kept) == originals
        before = await sent(made)
        assert before < clean
        assert worker.is_running()

        # The fix: the program is repaired, what it failed on is replayed, what nobody can read is dismissed.
        await worker.stop()
        del made.environ["PYTHONPATH"]
        await made.worker()
        listed = await dead_letters(made, "list")
        assert (listed["count"], {one["state"] for one in listed["letters"]}) == (len(told), {"open"})
        planned = await dead_letters(made, "replay", "--reason", "evaluate", "--dry-run")
        assert {one["forecast"] for one in planned["done"]} == {"written again; it can be read"}
        assert await sent(made) == before
        replayed = await dead_letters(made, "replay", "--reason", "evaluate", "--note", "fixed")
        assert len(replayed["done"]) == sum(line.reason == "evaluate" for line in log)
        await dead_letters(made, "dismiss", "--all", "--per-second", "1000")
        await end(made)
        assert await sent(made) == clean
        assert len(await letters(made)) == len(told)

        # What has been processed already changes nothing.
        await dead_letters(made, "replay", "--any", "--reason", "evaluate")
        await end(made)
        assert await sent(made) == clean
        assert (await dead_letters(made, "list"))["count"] == 0
        actions = [
            codec.decode(one.value, DeadLetterAction)
            for some in await read(made.kafka, made.topics.dead_letters)
            for one in some
            if b"dead_letter_action" in one.value
        ]
        assert Counter(one.action for one in actions) == {"replayed": 2 * len(replayed["done"]), "dismissed": 12}
        assert {one.note for one in actions if one.action == "replayed"} == {"fixed", ""}


async def test_a_record_is_replayed_three_times_and_no_more(stack: Addresses, home: Path, namespace: str) -> None:
    async with a_rig(stack, home, namespace) as made:
        await made.worker()
        await write(made, [Line(START, "ann", b"{", "broken_json")])
        for attempt in (1, 2, 3, 4):
            await end(made)
            (found,) = (await dead_letters(made, "list"))["letters"]
            assert (found.get("attempt", 1), found["profile"]) == (attempt, f"{TENANT}/ann")
            shown = await dead_letters(made, "show", found["name"])
            assert shown["letters"][0]["text"] == "{"
            done = await cartwheel("dead-letters", "replay", found["name"], "--json", environ=made.environ)
            assert done.code == (1 if attempt == 4 else 0)
        assert "3 times" in done.data["left"][0]["why"]
        unknown = await cartwheel("dead-letters", "show", "raw/0/999", environ=made.environ)
        assert unknown.code == 65
        assert (await cartwheel("dead-letters", "replay", environ=made.environ)).code == 2


async def test_a_record_too_long_for_a_letter_is_read_where_it_stands(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with a_rig(stack, home, namespace) as made:
        await made.worker()
        long = Line(START, "ann", b'{"pad":"' + b"x" * 2_000_000 + b'"}')
        await write(made, [long])
        await end(made)
        (letter,) = await letters(made)
        assert (letter.kept, letter.value, letter.reason) == (False, None, "too_large")
        (found,) = (await dead_letters(made, "list"))["letters"]
        assert (await dead_letters(made, "replay", found["name"], "--dry-run"))["done"][0]["forecast"].endswith(
            "too_large"
        )
        await dead_letters(made, "replay", found["name"])
        await end(made)
        log = [one.value for some in await read(made.kafka, made.topics.profile_log) for one in some]
        assert log.count(long.value) == 2


async def test_a_partition_with_too_much_poison_stops_and_the_others_go_on(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with a_rig(stack, home, namespace) as made:
        worker = await made.worker()
        people = [f"p{number:04}" for number in range(400)]
        sick = Line(START, people[0], b"").partition
        bad = [Line(START, who, b"{") for who in people if Line(START, who, b"").partition == sick]
        assert len(bad) > POISON_IN_WINDOW_MAX
        await write(made, [*bad, *(good(who, CHECKOUT, START + 1_000) for who in people)])
        well = [who for who in people if Line(START, who, b"").partition != sick]
        async with asyncio.timeout(60):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(10):
                    await end(made)
        assert len(await sent(made)) == len(well)
        assert made.tail.positions[sick] == POISON_IN_WINDOW_MAX + 1
        flag = f"--resume-stopped {sick}@{POISON_IN_WINDOW_MAX + 1}"
        assert any(flag in line for line in worker.lines)
        assert worker.is_running()
        await worker.kill()

        again = await made.worker()
        await again.until_ready()
        assert any(flag in line for line in again.lines)
        assert len(await sent(made)) == len(well)
        await again.stop()
        # `run` hands it on to its worker.
        environ = {**made.environ, "CARTWHEEL_POSTGRES": stack.postgres}
        run = await Process.start(
            "run", "--clock", "carried", "--flows", str(made.flows), *flag.split(), environ=environ
        )
        try:
            async with asyncio.timeout(60):
                while made.tail.positions[sick] == POISON_IN_WINDOW_MAX + 1:
                    await asyncio.sleep(0.1)
        finally:
            code = await run.stop()
        assert code == 0, run.last_words()


async def _limit(made: Rig, topic: Topic, max_message_bytes: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=made.kafka)
    await admin.start()
    try:
        config = {**topic.config(), "max.message.bytes": str(max_message_bytes)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, config)])
    finally:
        await admin.close()


async def test_poison_a_worker_that_cannot_write_a_letter_exits_and_nothing_is_lost(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with a_rig(stack, home, namespace) as made:
        worker = await made.worker()
        await worker.until_ready()
        await _limit(made, made.topics.dead_letters, 100)
        await write(made, [good("ann", CHECKOUT, START), Line(START, "bob", b"{"), good("bob", CHECKOUT, START)])
        assert await worker.ended() in (69, 70)
        assert await letters(made) == []

        await _limit(made, made.topics.dead_letters, MAX_MESSAGE_BYTES)
        await made.worker()
        await end(made)
        assert [one.reason for one in await letters(made)] == ["broken_json"]
        assert len(await sent(made)) == 1


@pytest.mark.parametrize("which", ["dead_letters", "commands", "decisions"])
async def test_poison_a_worker_whose_topic_is_removed_names_it_and_nothing_is_lost(
    stack: Addresses, home: Path, namespace: str, which: str
) -> None:
    async with a_rig(stack, home, namespace) as made:
        worker = await made.worker()
        await worker.until_ready()
        topic = getattr(made.topics, which).name
        await remove(made.kafka, topic)
        later = START + 20 * 60_000  # when the wait of the flow is over
        bad = Line(START, "bob", b"{")
        await write(made, [bad, good("ann", CHECKOUT, START), good("ann", CHECKOUT, later)])
        assert await worker.ended() == 78, worker.last_words()
        assert worker.lines[-1].startswith(f"error: the broker does not know {topic} any more: removed while"), (
            worker.lines
        )
        assert "next: find out who did it; `cartwheel topics apply`" in worker.lines[-1]
        refused = await made.worker()
        assert await refused.ended() == 1, refused.last_words()

        await topics_admin.apply(made.kafka, made.topics, clock="carried")
        await made.worker()
        await end(made)
        assert [one.reason for one in await letters(made)] == ["broken_json"]
        assert len(await sent(made)) == 1
        assert [one for some in await read(made.kafka, made.topics.decisions) for one in some]


async def test_poison_an_intake_that_cannot_write_a_letter_exits_and_nothing_is_lost(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        intake = await Process.start("intake", environ=made.environ)
        made.workers.append(intake)
        await intake.until_ready()
        await _limit(made, made.topics.dead_letters, 100)
        bodies = [orjson.dumps(event("ann", CHECKOUT, at=START) | {"backfill": True}), b"{"]
        async with AIOKafkaProducer(bootstrap_servers=made.kafka) as producer:
            for body in bodies:
                await producer.send_and_wait(made.topics.raw.name, body, key=b"k", partition=1)
        assert await intake.ended() in (69, 70)

        await _limit(made, made.topics.dead_letters, MAX_MESSAGE_BYTES)
        made.workers.append(await Process.start("intake", environ=made.environ))
        (record,) = await until(made, made.topics.dead_letters, bool)
        letter = codec.decode(record.value, DeadLetter)
        assert (letter.stage, letter.value, letter.key) == ("intake", b"{", b"k")
        assert await until(made, made.topics.profile_log, bool)

        replayed = await dead_letters(made, "replay", "--stage", "intake")
        assert len(replayed["done"]) == 1
        again = await until(made, made.topics.dead_letters, lambda found: len(found) == 3)
        attempts = [
            codec.decode(one.value, DeadLetter).attempt for one in again if b"dead_letter_action" not in one.value
        ]
        assert attempts == [1, 2]
        raw = [one for some in await read(made.kafka, made.topics.raw) for one in some]
        assert [(one.partition, one.key) for one in raw] == [(1, b"k")] * 3
