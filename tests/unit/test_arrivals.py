"""Fetched records as the core takes them: the time of the log's own clock, or a dead letter."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from agents.worker.arrivals import arrivals
from schemas import codec
from schemas.command import Clock
from schemas.dead_letter import DeadLetter
from streams.partition import Record


class Fetched(NamedTuple):
    """A record as the client gives it."""

    offset: int
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 5_000
    key: bytes | None = b"t/p"
    value: bytes | None = b"{}"


def carried(time: bytes) -> tuple[tuple[str, bytes], ...]:
    return (("other", b"1"), ("appended_at", time))


def test_a_live_clock_is_the_brokers() -> None:
    found = arrivals([Fetched(3)], clock="live", topic="log", partition=1)
    assert found == ([Record(3, 5_000, b"t/p", b"{}")], [])


def test_a_carried_clock_is_in_the_header() -> None:
    found = arrivals([Fetched(3, carried(b"1234"))], clock="carried", topic="log", partition=1)
    assert found == ([Record(3, 1_234, b"t/p", b"{}")], [])


@pytest.mark.parametrize(
    ("clock", "fetched", "reason"),
    [
        ("live", Fetched(8, carried(b"1234")), "carried_time_on_live_log"),
        ("carried", Fetched(8), "missing_carried_time"),
        ("carried", Fetched(8, carried(b"-1")), "missing_carried_time"),
        ("carried", Fetched(8, carried(b"soon")), "missing_carried_time"),
    ],
)
def test_the_other_clock_is_refused_and_the_stream_goes_on(clock: Clock, fetched: Fetched, reason: str) -> None:
    good = Fetched(9, carried(b"7") if clock == "carried" else ())
    found = arrivals([fetched, good], clock=clock, topic="log", partition=1)
    assert [record.offset for record in found.records] == [9]
    ((why, key, letter),) = found.refused
    assert (why, key) == (reason, b"t/p")
    body = codec.decode(letter, DeadLetter)
    assert (body.reason, body.topic, body.partition, body.offset, body.value) == (reason, "log", 1, 8, b"{}")


def test_what_is_absent_is_empty_and_for_the_core_to_refuse() -> None:
    found = arrivals([Fetched(3, key=None, value=None)], clock="live", topic="log", partition=1)
    assert found.records == [Record(3, 5_000, b"", b"")]
