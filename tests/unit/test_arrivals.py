"""Fetched records as the core takes them: with the time of the log's own clock, or with none."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from agents.worker.arrivals import arrivals
from schemas.command import Clock
from streams.unit import NO_TIME, Record


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
    assert arrivals([Fetched(3)], clock="live") == [Record(3, 5_000, b"t/p", b"{}")]


def test_a_carried_clock_is_in_the_header() -> None:
    assert arrivals([Fetched(3, carried(b"1234"))], clock="carried") == [Record(3, 1_234, b"t/p", b"{}")]


@pytest.mark.parametrize(
    ("clock", "fetched"),
    [
        ("live", Fetched(8, carried(b"1234"))),
        ("carried", Fetched(8)),
        ("carried", Fetched(8, carried(b"-1"))),
        ("carried", Fetched(8, carried(b"soon"))),
    ],
)
def test_a_record_of_the_other_clock_has_no_time(clock: Clock, fetched: Fetched) -> None:
    good = Fetched(9, carried(b"7") if clock == "carried" else ())
    other, after = arrivals([fetched, good], clock=clock)
    assert (other.appended_at, after.appended_at >= 0) == (NO_TIME, True)


def test_what_is_absent_is_empty_and_for_the_core_to_refuse() -> None:
    assert arrivals([Fetched(3, key=None, value=None)], clock="live") == [Record(3, 5_000, b"", b"")]


@pytest.mark.parametrize(("said", "attempt"), [(b"3", 3), (b"", 1), (b"-1", 1), (b"soon", 1), (b"0", 1), (b"9" * 9, 1)])
def test_a_record_that_was_replayed_says_which_attempt_it_is(said: bytes, attempt: int) -> None:
    replayed: list[bool] = []
    found = arrivals(
        [Fetched(3, (("attempt", said),)), Fetched(4)], clock="live", replayed=lambda: replayed.append(True)
    )
    assert [(one.appended_at, one.attempt) for one in found] == [(5_000, attempt), (5_000, 1)]
    assert len(replayed) == (attempt > 1)
