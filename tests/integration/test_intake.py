"""Intake on a real broker: what it forwards and refuses, what it promises, and that dying costs nothing."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from agents.errors import InputRefused
from agents.feed import feed
from agents.kill_points import INTAKE_POINTS
from agents.replay_file import RefusedLine
from agents.settings import LOOPBACK, Settings
from agents.stack import members
from agents.topics_admin import apply
from schemas import codec
from schemas.command import Clock
from schemas.control import APPENDED_AT_HEADER, END_KEY, WATERMARK_KEY, Watermark
from schemas.dead_letter import DeadLetter
from schemas.event import Event
from schemas.instants import from_wire, to_wire
from schemas.limits import PROPERTIES_MAX
from schemas.topics import Topics, topics
from tests.integration.intake_runs import (
    NOON,
    Held,
    all_taken,
    event,
    raw_producer,
    records,
    running_intake,
    traffic,
    watermark,
)

LIVES = 2
BAD: dict[str, tuple[str, bytes | None]] = {
    "broken JSON": ("broken_json", b'{"id": "e1", '),
    "unknown type": ("unknown_type", json.dumps(event("e1", type="commerce.order.invented.v1")).encode()),
    "401 properties": (
        "too_many_properties",
        json.dumps(event("e1", properties={f"p{n}": n for n in range(PROPERTIES_MAX + 1)})).encode(),
    ),
    "missing identity": ("no_identity", json.dumps(event("e1", identity=None)).encode()),
    "time without offset": ("time_without_offset", json.dumps(event("e1", time="2026-11-21T12:00:00")).encode()),
    "a 1.1 MiB record": ("too_large", json.dumps(event("e1", extra={"note": "x" * 1_153_434})).encode()),
    "a record too large to repeat": ("too_large", os.urandom(1_900_000)),
    "invalid UTF-8": ("invalid_utf8", b'{"id": "\xff\xfe"}'),
    "no value": ("empty_record", None),
    "a number for an id": ("number_for_text", json.dumps(event("e1") | {"id": 6072300020800000086}).encode()),
    "a watermark without tenant": ("missing_field", watermark(5).replace(b'"tenant"', b'"shop"')),
    "an end mark": ("carried_time_on_live_log", b'{"end": {}}'),
}


@pytest.fixture
def kafka(settings: Settings) -> str:
    assert settings.kafka is not None
    return settings.kafka


@pytest.fixture
def declared(settings: Settings) -> Topics:
    return topics(settings.namespace, partitions=settings.partitions)


@pytest.fixture
async def live(kafka: str, declared: Topics) -> Topics:
    """The topics of a log on a live clock."""
    await apply(kafka, declared, clock="live")
    return declared


@pytest.fixture
async def carried(kafka: str, declared: Topics) -> Topics:
    """The topics of a log on a carried clock."""
    await apply(kafka, declared, clock="carried")
    return declared


async def test_each_bad_record_is_a_dead_letter_and_the_good_ones_around_it_go_through(
    settings: Settings, kafka: str, live: Topics
) -> None:
    async with raw_producer(kafka) as producer:
        for n, (_, value) in enumerate(BAD.values()):
            good = json.dumps(event(f"good-{n}")).encode()
            await producer.send(live.raw.name, good, key=b"any", partition=1)
            await producer.send(live.raw.name, value, key=b"bad", partition=1)
        await producer.send(live.raw.name, b"{}", partition=1, headers=[(APPENDED_AT_HEADER, b"1")])
        await producer.send(live.raw.name, json.dumps(event("last")).encode(), partition=1)
    async with running_intake(settings) as process:
        await all_taken(settings, live)
        (member,) = members(settings.home)
        assert member.metrics_url is not None
        page = await asyncio.to_thread(lambda url: urlopen(url).read().decode(), member.metrics_url)
        assert (await process.stop())[0] == 0
    for line in (
        f'cartwheel_intake_records_total{{outcome="forwarded"}} {len(BAD) + 1}.0',
        f'cartwheel_intake_records_total{{outcome="refused"}} {len(BAD) + 1}.0',
        'cartwheel_dead_letters_total{reason="broken_json",stage="intake"} 1.0',
        f'cartwheel_consumer_lag_records{{partition="1",topic="{live.raw.name}"}} 0.0',
        f"cartwheel_intake_event_age_seconds_count {len(BAD) + 1}.0",
        'cartwheel_low_water_mark_lag_seconds{partition="1"}',
    ):
        assert line in page
    letters = [codec.decode(record.value, DeadLetter) for record in await records(kafka, live.dead_letters)]
    assert [letter.reason for letter in letters] == [reason for reason, _ in BAD.values()] + [
        "carried_time_on_live_log"
    ]
    for n, (letter, (reason, value)) in enumerate(zip(letters, BAD.values(), strict=False)):
        assert (letter.stage, letter.topic, letter.partition, letter.offset) == ("intake", live.raw.name, 1, 2 * n + 1)
        if value is None or len(value) < 1_500_000:
            assert (letter.value, letter.key) == (value, b"bad"), reason
        else:
            assert letter.value is None
            assert "too many to repeat" in letter.detail
    forwarded = await records(kafka, live.profile_log)
    assert {json.loads(record.value)["id"] for record in forwarded} == {f"good-{n}" for n in range(len(BAD))} | {"last"}
    for record in forwarded:
        canonical = codec.decode(record.value, Event)
        assert canonical.received_at is not None
        assert record.key.startswith(b"acme/")


async def test_killed_at_every_point_nothing_is_lost_or_out_of_order(settings: Settings, kafka: str) -> None:
    async def lives(clock: Clock, point: str) -> None:
        own = replace(settings, namespace=f"{settings.namespace}-{clock}-{point}")
        declared = topics(own.namespace, partitions=own.partitions)
        await apply(kafka, declared, clock=clock)
        await (_live_lives if clock == "live" else _carried_lives)(own, kafka, declared, point)

    on_carried = [point for point in INTAKE_POINTS if point != "progress_written"]
    await asyncio.gather(
        *[lives("live", point) for point in INTAKE_POINTS], *[lives("carried", point) for point in on_carried]
    )


async def _live_lives(settings: Settings, kafka: str, declared: Topics, point: str) -> None:
    async with traffic(kafka, declared) as written:
        for _ in range(LIVES):
            async with running_intake(settings, kill_point=f"{point}:0.2") as process:
                code, said = await process.ended()
                assert code == -signal.SIGKILL, said
    async with running_intake(settings) as process:
        await all_taken(settings, declared)
        assert (await process.stop())[0] == 0
    held = await Held.by(kafka, declared)
    held.assert_forwarded_in_order(written)
    held.assert_progress_is_true()
    held.assert_marks_never_move_back()
    _, last = held.progress[-1]
    assert len(last.watermarks) == 1


async def _carried_lives(settings: Settings, kafka: str, declared: Topics, point: str) -> None:
    file = settings.home / f"{point}.ndjson"
    lines = _write_file(file, events=40_000, watermark_every=500)
    await feed(kafka, declared, file, clock="carried")
    for _ in range(LIVES):
        async with running_intake(settings, kill_point=f"{point}:0.5") as process:
            code, said = await process.ended()
            assert code == -signal.SIGKILL, said
    async with running_intake(settings) as process:
        await all_taken(settings, declared)
        assert (await process.stop())[0] == 0
    assert not await records(kafka, declared.progress)
    _assert_copied(lines, await records(kafka, declared.profile_log), partitions=settings.partitions)


async def test_two_share_the_partitions_and_one_stopped_for_long_does_no_harm(
    settings: Settings, kafka: str, live: Topics
) -> None:
    async with traffic(kafka, live) as written, running_intake(settings) as first:
        async with running_intake(settings) as second:
            await _progress_of_all(kafka, live)
            first.signal(signal.SIGSTOP)
            await _progress_of_all(kafka, live)  # which comes when the other has taken all partitions
            first.signal(signal.SIGCONT)
            await _progress_of_all(kafka, live)
            assert (await second.stop())[0] == 0
        await _progress_of_all(kafka, live)
    async with running_intake(settings) as third:
        await _progress_of_all(kafka, live)  # it runs, and can be asked to stop
        await all_taken(settings, live)
        assert (await third.stop())[0] == 0
    held = await Held.by(kafka, live)
    held.assert_forwarded_in_order(written)
    held.assert_progress_is_true()


async def test_marks_move_on_an_idle_log_and_watermarks_outlive_a_restart(
    settings: Settings, kafka: str, live: Topics
) -> None:
    async with running_intake(settings) as process:
        await _progress_of_all(kafka, live)
        async with raw_producer(kafka) as producer:
            await producer.send_and_wait(live.raw.name, watermark(30), partition=2)
        await all_taken(settings, live)
        assert (await process.stop())[0] == 0
    async with running_intake(settings) as process:
        await _progress_of_all(kafka, live)
        assert (await process.stop())[0] == 0
    held = await Held.by(kafka, live)
    held.assert_marks_never_move_back()
    last = {progress.raw_partition: progress for _, progress in held.progress}
    assert [mark.complete_through for mark in last[2].watermarks] == [to_wire(NOON + 30 * 60_000)]
    assert not last[0].watermarks
    assert held.copies == 0
    of_zero = [
        (record.timestamp, from_wire(one.forwarded_through)) for record, one in held.progress if one.raw_partition == 0
    ]
    # A record that asks says what was known before, the next one answers, and so on in turns.
    triples = list(zip(of_zero, of_zero[1:], of_zero[2:], strict=False))
    answered = sum(told == asked_at - 1 == next_ for (asked_at, _), (_, told), (_, next_) in triples)
    assert answered > len(triples) / 3


async def test_a_carried_log_gets_every_record_in_order_and_watermarks_in_every_partition(
    settings: Settings, kafka: str, carried: Topics
) -> None:
    file = settings.home / "day.ndjson"
    lines = _write_file(file, events=500, watermark_every=50)
    fed = await feed(kafka, carried, file, clock="carried")
    assert (fed.events, fed.watermarks, fed.refused, fed.early) == (500, 10, 0, 0)
    async with raw_producer(kafka) as producer:
        good = json.dumps(event("late")).encode()
        await producer.send_and_wait(carried.raw.name, good, partition=0)
        await producer.send_and_wait(carried.raw.name, good, partition=0, headers=[(APPENDED_AT_HEADER, b"soon")])
        elsewhere = [(APPENDED_AT_HEADER, str(NOON).encode())]
        await producer.send_and_wait(carried.raw.name, good, partition=3, headers=elsewhere)
    async with running_intake(settings) as process:
        await all_taken(settings, carried)
        assert (await process.stop())[0] == 0
    forwarded = await records(kafka, carried.profile_log)
    assert len(forwarded) == 500 + 11 * settings.partitions
    _assert_copied(lines, forwarded, partitions=settings.partitions)
    letters = [codec.decode(record.value, DeadLetter) for record in await records(kafka, carried.dead_letters)]
    reasons = ["missing_carried_time", "missing_carried_time", "not_on_partition_zero"]
    assert sorted(letter.reason for letter in letters) == reasons
    assert not await records(kafka, carried.progress)


async def test_feed_into_a_live_log_puts_a_watermark_after_everything_before_it(
    kafka: str, live: Topics, home: Path
) -> None:
    file = home / "day.ndjson.gz"
    _write_file(home / "day.ndjson", events=300, watermark_every=100)
    bad = b'{"id": 7}\n'
    file.write_bytes(gzip.compress(bad + (home / "day.ndjson").read_bytes() + bad))
    named: list[RefusedLine] = []
    fed = await feed(kafka, live, file, clock="live", refused=named.append)
    assert (fed.events, fed.watermarks, fed.refused) == (300, 3, 2)
    assert [line.number for line in named] == [1, 305]
    raw: dict[int, list[Any]] = {number: [] for number in range(live.raw.partitions)}
    for record in await records(kafka, live.raw):
        assert not record.headers
        raw[record.partition].append(json.loads(record.value))
    for documents in raw.values():
        assert sum("watermark" in document for document in documents) == 3
        of_events = [int(document["id"]) for document in documents if "id" in document]
        assert of_events == sorted(of_events)
        for n, document in enumerate(documents):
            if "watermark" in document:
                above = [int(each["id"]) for each in documents[:n] if "id" in each]
                assert max(above) < 100 * (1 + sum("watermark" in each for each in documents[:n]))


async def test_feed_refuses_a_log_of_another_clock_and_with_strict_a_bad_line(
    kafka: str, live: Topics, home: Path
) -> None:
    file = home / "day.ndjson"
    file.write_bytes(json.dumps(event("1")).encode() + b"\n{}\n" + json.dumps(event("2")).encode())
    with pytest.raises(InputRefused, match="has a live clock"):
        await feed(kafka, live, file, clock="carried")
    with pytest.raises(InputRefused, match=r"day\.ndjson line 2: missing_field"):
        await feed(kafka, live, file, clock="live", strict=True)
    assert [json.loads(record.value)["id"] for record in await records(kafka, live.raw)] == ["1"]


async def test_without_a_broker_or_its_port_intake_says_what_to_do(settings: Settings, live: Topics) -> None:
    async with running_intake(replace(settings, kafka=None)) as process:
        code, said = await process.ended()
    assert (code, "run `cartwheel up`" in said) == (69, True), said
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        async with running_intake(settings, CARTWHEEL_METRICS_PORT_INTAKE=str(port)) as process:
            code, said = await process.ended()
    assert (code, f"port {port}" in said) == (78, True), said


def _write_file(path: Path, *, events: int, watermark_every: int) -> list[tuple[str, int]]:
    """A replay file. Returns (what, arrived at) of its lines, in order: an event's id, a watermark's instant."""
    lines: list[tuple[str, int]] = []
    with path.open("w") as file:
        for n in range(events):
            at = NOON + n * 1_000
            lines.append((str(n), at + 500))
            file.write(json.dumps(event(str(n), time=to_wire(at), arrived_at=to_wire(at + 500))) + "\n")
            if (n + 1) % watermark_every == 0:
                promise = {"source": "shop.orders", "complete_through": to_wire(at)}
                lines.append((to_wire(at), at + 900))
                file.write(json.dumps({"watermark": promise, "arrived_at": to_wire(at + 900)}) + "\n")
    return lines


def _assert_copied(lines: list[tuple[str, int]], profile_log: list[Any], *, partitions: int) -> None:
    """First copies stand in the order of the file, with their times; watermarks and the end in every partition."""
    order = {what: n for n, what in enumerate([*lines, ("end", lines[-1][1])])}
    seen: dict[int, dict[int, None]] = {number: {} for number in range(partitions)}
    for record in profile_log:
        at = int(dict(record.headers)[APPENDED_AT_HEADER])
        if record.key == END_KEY:
            what = "end"
        elif record.key == WATERMARK_KEY:
            what = codec.decode(record.value, Watermark).complete_through
        else:
            what = json.loads(record.value)["id"]
        seen[record.partition].setdefault(order[what, at])
    everywhere = {n for (what, _), n in order.items() if not what.isdigit()}
    for places in seen.values():
        assert list(places) == sorted(places)
        assert everywhere <= places.keys()
    assert sorted(n for places in seen.values() for n in places.keys() - everywhere) == sorted(
        set(order.values()) - everywhere
    )


async def _progress_of_all(kafka: str, topics: Topics) -> None:
    """Return when the mark of every raw partition has passed the newest progress there is now."""
    newest = max((record.timestamp for record in await records(kafka, topics.progress)), default=0)
    async with asyncio.timeout(60):
        while True:
            held = await Held.by(kafka, topics)
            passed = {each.raw_partition for _, each in held.progress if each.forwarded_through > to_wire(newest)}
            if len(passed) == topics.raw.partitions:
                return
            await asyncio.sleep(0.2)
