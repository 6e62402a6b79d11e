"""Records as the client decodes them: the same as it would hand out by itself, batch by batch."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from agents.faust_engine import fetching
from agents.faust_engine.fetching import LOOKS_MAX, DecodedRecords, adjust

AT = TopicPartition("profile-state", 3)
FETCHED_FROM = 12
#: Offsets as compaction leaves them: batches with holes, and a batch whose last records are gone.
BATCHES = ((10, (0, 2, 3)), (20, (0, 1, 5)), (30, (1,)))


class State:
    """Where the client stands in the partition."""

    def __init__(self) -> None:
        self.position, self.paused = FETCHED_FROM, False

    def consumed_to(self, position: int) -> None:
        """So far."""
        self.position = position


def _packed() -> bytes:
    packed = b""
    for base, deltas in BATCHES:
        builder = DefaultRecordBatchBuilder(
            magic=2, compression_type=0, is_transactional=False, producer_id=-1, producer_epoch=-1, base_sequence=-1,
            batch_size=1 << 16,
        )  # fmt: skip
        for delta in deltas:
            assert builder.append(base + delta, timestamp=base, key=b"%d" % delta, value=b"v" * delta, headers=[])
        packed += bytes(builder.build())
    return packed


def _found(state: State) -> FetchResult:
    records = PartitionRecords(AT, MemoryRecords(_packed()), [], FETCHED_FROM, None, None, True, 0)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    return FetchResult(AT, assignment=assignment, partition_records=records, backoff=0)


def _handed_out(state: State) -> FetchResult:
    async def fetch(*_: Any) -> bool:
        fetcher._records[AT] = _found(state)
        fetcher._records[TopicPartition("profile-state", 4)] = FetchError(error=OSError(), backoff=0)
        return True

    fetcher: Any = SimpleNamespace(_records={}, _proc_fetch_request=fetch)
    adjust(fetcher, is_behind=lambda: False)
    adjust(fetcher, is_behind=lambda: False)
    assert asyncio.run(fetcher._proc_fetch_request("assignment", 1, "request"))
    found: FetchResult = fetcher._records[AT]
    assert isinstance(found._partition_records, DecodedRecords)
    return found


def _taken(found: FetchResult, state: State, size: int | None) -> list[tuple[list[Any], int]]:
    """What each poll gives, and where the client stands after it."""
    taken = []
    while found.has_more():
        records = [(one.offset, one.timestamp, one.key, one.value, list(one.headers)) for one in found.getall(size)]
        taken.append((records, state.position))
    return taken


@pytest.mark.parametrize("size", [1, 2, 5, None])
def test_they_are_those_that_the_client_would_hand_out(size: int | None) -> None:
    ours, theirs = State(), State()
    assert _taken(_handed_out(ours), ours, size) == _taken(_found(theirs), theirs, size)
    assert ours.position > 30


def test_what_was_fetched_before_a_seek_is_not_handed_out() -> None:
    state = State()
    found = _handed_out(state)
    state.position = 5
    assert found.getall(10) == []
    assert not found.has_more()


@pytest.mark.parametrize(
    ("behind", "looked"), [([False], 1), ([True, True, False], 3), ([True] * (LOOKS_MAX + 9), LOOKS_MAX)]
)
def test_more_is_asked_for_when_what_came_is_worked_off_or_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, behind: list[bool], looked: int
) -> None:
    """Or a worker that is behind would be given smaller and smaller batches, each of which costs the same."""
    monkeypatch.setattr(fetching, "LOOK_SECONDS", 0.0)
    left = list(behind)

    async def fetch(*_: Any) -> bool:
        assert len(behind) - len(left) == looked
        return True

    fetcher: Any = SimpleNamespace(_records={}, _proc_fetch_request=fetch)
    adjust(fetcher, is_behind=lambda: left.pop(0))
    assert asyncio.run(fetcher._proc_fetch_request("assignment", 1, "request"))
