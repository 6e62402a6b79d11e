"""The local store on a real RocksDB: what it takes from a changelog, and what it keeps beside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

from agents.faust_engine.damage import opening
from agents.faust_engine.database import opener
from agents.faust_engine.store import LocalStore
from schemas import codec
from schemas.profile import PartitionRecord, Profile

OFFSET_KEY = b"\x00offset"


class Record(NamedTuple):
    """A record of the changelog."""

    offset: int
    key: bytes
    value: bytes | None


class Table:
    """As much of a Faust table as the store asks for: one database per partition."""

    offset_key = OFFSET_KEY

    def __init__(self, folder: Path) -> None:
        self.databases = {7: open_database(folder)}

    @property
    def data(self) -> Table:
        """The table's store."""
        return self

    def _db_for_partition(self, partition: int) -> Any:
        return self.databases[partition]


def _end(error: BaseException) -> NoReturn:
    raise error


open_database = opening(opener(1), end=_end)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "7.db")


def killed(tmp_path: Path) -> Table:
    """What the next process finds if this one is killed now."""
    left = tmp_path / "left"
    shutil.copytree(tmp_path / "7.db", left, ignore=shutil.ignore_patterns("LOCK"))
    return Table(left)


def state(applied_offset: int, *, conflicts: int = 0) -> bytes:
    return codec.pack_profile(Profile(tenant="t", profile_id="p", applied_offset=applied_offset, conflicts=conflicts))


def partition_record(position: int, *, epoch: int) -> bytes:
    record = PartitionRecord(
        position=position, now_at=0, watermarks=[], through_at=0, through_key=None, clock="live", incarnation="i",
    )  # fmt: skip
    return codec.pack_partition(record, epoch=epoch)


def kept_offset(table: Table) -> int:
    kept: bytes | None = table.databases[7].get(OFFSET_KEY)
    return int(kept or b"-1")


def test_the_highest_applied_offset_wins_wherever_it_stands(table: Table) -> None:
    store = LocalStore(table, slots=64)
    store.restore(7, [Record(0, b"a", state(10)), Record(1, b"b", state(11)), Record(2, b"a", state(5))])
    store.restore(7, [Record(3, b"a", state(9)), Record(4, b"b", state(20))])
    assert store.load(7, b"a") == state(10), "a worker that had lost the partition wrote after the one that owns it"
    assert store.load(7, b"b") == state(20)
    assert kept_offset(table) == 1, "whoever dies before it is written again must come upon the older one again"
    assert store.take_stale(7) == [b"a"]
    assert store.take_stale(7) == []


def test_an_older_state_that_is_followed_by_the_right_one_needs_no_repair(table: Table) -> None:
    store = LocalStore(table, slots=64)
    store.restore(7, [Record(0, b"a", state(10)), Record(1, b"a", state(5))])
    store.restore(7, [Record(2, b"a", state(10)), Record(3, b"b", state(1))])
    assert store.take_stale(7) == []
    assert kept_offset(table) == 3


def test_a_claim_is_no_state(table: Table) -> None:
    store = LocalStore(table, slots=64)
    store.restore(7, [Record(0, codec.CLAIM_KEY, b"{}"), Record(1, b"a", state(5))])
    assert list(store.scan(7)) == [(b"a", state(5))]
    assert kept_offset(table) == 1


def test_of_two_partition_records_the_one_of_the_later_epoch_stays(table: Table) -> None:
    store = LocalStore(table, slots=64)
    later, older = partition_record(60, epoch=5), partition_record(100, epoch=1)
    store.restore(7, [Record(0, codec.PARTITION_KEY, later), Record(1, codec.PARTITION_KEY, older)])
    assert store.load(7, codec.PARTITION_KEY) == later
    assert store.take_stale(7) == [], "its owner writes it again anyway"


def test_of_two_with_one_offset_the_later_one_stays(table: Table) -> None:
    store = LocalStore(table, slots=64)
    store.restore(7, [Record(0, b"a", state(10)), Record(1, b"a", state(10, conflicts=1))])
    assert store.load(7, b"a") == state(10, conflicts=1)


def test_a_tombstone_is_taken(table: Table) -> None:
    store = LocalStore(table, slots=64)
    store.restore(7, [Record(0, b"a", state(10)), Record(1, b"a", None), Record(2, b"b", state(1))])
    store.restore(7, [Record(3, b"b", None), Record(4, b"a", state(3))])
    assert store.load(7, b"a") == state(3)
    assert store.load(7, b"b") is None


def test_a_scan_shows_states_and_nothing_else(table: Table) -> None:
    store = LocalStore(table, slots=64)
    store.write(7, [(b"b", state(2)), (b"a", state(1))], changelog_offset=17)
    assert list(store.scan(7)) == [(b"a", state(1)), (b"b", state(2))]
    assert kept_offset(table) == 17


def test_the_kept_offset_stays_when_nothing_new_can_be_said(table: Table) -> None:
    store = LocalStore(table, slots=64)
    store.write(7, [(b"a", state(1))], changelog_offset=17)
    store.write(7, [(b"a", state(2))], changelog_offset=None)
    assert store.load(7, b"a") == state(2)
    assert kept_offset(table) == 17


def test_state_of_an_unknown_version_is_not_taken(table: Table) -> None:
    store = LocalStore(table, slots=64)
    store.restore(7, [Record(0, b"a", state(10))])
    with pytest.raises(codec.Undecodable, match="version"):
        store.restore(7, [Record(1, b"a", b"\xff" + state(11)[1:])])
    assert store.load(7, b"a") == state(10)


def test_who_is_killed_in_a_recovery_keeps_no_more_than_it_says(table: Table, tmp_path: Path) -> None:
    store = LocalStore(table, slots=64)
    store.restore(7, [Record(0, b"a", state(1))])
    table.databases[7].flush(wait=True)
    store.restore(7, [Record(1, b"b", state(2))])
    left = killed(tmp_path)
    assert (kept_offset(left), list(LocalStore(left, slots=64).scan(7))) == (0, [(b"a", state(1))])


def test_what_was_recovered_outlives_whoever_writes_after_it(table: Table, tmp_path: Path) -> None:
    store = LocalStore(table, slots=64)
    store.restore(7, [Record(0, b"a", state(1)), Record(1, b"b", state(2))])
    store.write(7, [(b"b", state(3))], changelog_offset=2)
    left = killed(tmp_path)
    assert (kept_offset(left), list(LocalStore(left, slots=64).scan(7))) == (2, [(b"a", state(1)), (b"b", state(3))])


def test_a_store_that_is_not_new_is_asked_for_all_it_has(table: Table) -> None:
    store = LocalStore(table, slots=64)
    store.write(7, [(b"a", state(10)), (b"b", state(10))], changelog_offset=None)
    store.restore(7, [Record(0, b"a", state(9)), Record(1, b"b", state(11)), Record(2, b"c", state(1))])
    assert [store.load(7, key) for key in (b"a", b"b", b"c")] == [state(10), state(11), state(1)]


@pytest.mark.parametrize("slots", [1, 64, 1 << 19])
def test_few_marks_cost_time_and_nothing_else(table: Table, slots: int) -> None:
    store, keys = LocalStore(table, slots=slots), [b"%d" % number for number in range(500)]
    for applied_offset in (2, 1, 3):
        store.restore(7, [Record(at, key, state(applied_offset + at)) for at, key in enumerate(keys)])
        expected = max(2, applied_offset)
        assert all(store.load(7, key) == state(expected + at) for at, key in enumerate(keys))
