"""Intake's marks: what all raw partitions say together."""

from __future__ import annotations

from typing import Any

import pytest

from agents.worker.marks import Marks
from schemas.control import Progress, Watermark
from schemas.instants import from_wire

TEN, ELEVEN, NOON = (f"2026-11-21T{hour}:00:00.000Z" for hour in (10, 11, 12))


def promise(through: str, *, source: str = "shop.orders", shop: str = "", **more: Any) -> Watermark:
    return Watermark(**{"source": source, "complete_through": through, "tenant": "t", "shop": shop, **more})


def mark(number: int, through: str, *promises: Watermark) -> Progress:
    return Progress(raw_partition=number, forwarded_through=through, next_offset=0, watermarks=promises)


def marks(*taken: Progress, of: int = 2) -> Marks:
    made = Marks(raw_partitions=of)
    for one in taken:
        made.take(one, fresh=True)
    return made


def test_a_raw_partition_without_a_mark_blocks() -> None:
    assert marks(mark(0, TEN)).low_water_at() is None


def test_the_lowest_mark_counts() -> None:
    assert marks(mark(0, NOON), mark(1, TEN)).low_water_at() == from_wire(TEN)


def test_only_the_last_mark_of_a_raw_partition_counts() -> None:
    assert marks(mark(0, NOON), mark(1, TEN), mark(1, ELEVEN)).low_water_at() == from_wire(ELEVEN)


def test_a_source_is_as_complete_as_where_it_is_least() -> None:
    together = marks(mark(0, NOON, promise(NOON)), mark(1, NOON, promise(TEN, estimated=True)))
    assert together.watermarks() == (promise(TEN, estimated=True),)


def test_a_source_unknown_to_one_raw_partition_has_not_reported() -> None:
    assert marks(mark(0, NOON, promise(NOON)), mark(1, NOON)).watermarks() == ()
    assert marks(mark(0, NOON, promise(NOON))).watermarks() == ()


def test_tenants_sources_and_shops_are_apart() -> None:
    promises = [promise(TEN), promise(TEN, shop="b"), promise(TEN, source="erp"), promise(TEN, tenant="u")]
    together = marks(mark(0, NOON, *promises), mark(1, NOON, *promises))
    assert len(together.watermarks()) == 4


def test_offsets_are_compared_as_instants() -> None:
    east = promise("2026-11-21T11:30:00+01:00")
    together = marks(mark(0, NOON, east), mark(1, NOON, promise(ELEVEN)))
    assert together.watermarks() == (promise("2026-11-21T10:30:00.000Z"),)


def test_the_version_grows_with_what_sources_promise_and_not_with_time() -> None:
    together = marks(mark(0, TEN, promise(TEN)), mark(1, TEN, promise(TEN)))
    before = together.version
    together.take(mark(1, NOON, promise(TEN)), fresh=True)
    assert together.version == before
    together.take(mark(1, NOON, promise(ELEVEN)), fresh=True)
    assert together.version > before


@pytest.mark.parametrize(
    "wrong",
    [mark(2, TEN), mark(0, "yesterday"), mark(0, TEN, promise("2026-11-21T10:00:00"))],
    ids=["unknown partition", "no instant", "no offset"],
)
def test_a_bad_mark_changes_nothing(wrong: Progress) -> None:
    together = marks(mark(0, NOON, promise(NOON)), mark(1, NOON, promise(NOON)))
    with pytest.raises(ValueError, match=r"partition|offset|format"):
        together.take(wrong, fresh=True)
    assert together.low_water_at() == from_wire(NOON)
    assert together.watermarks() == (promise(NOON),)


def test_a_mark_from_before_we_listened_says_what_sources_promised_and_no_more() -> None:
    made = Marks(raw_partitions=1)
    made.take(mark(0, NOON, promise(TEN)), fresh=False)
    assert made.low_water_at() is None
    assert made.watermarks() == (promise(TEN),)
    made.take(mark(0, NOON, promise(TEN)), fresh=True)
    assert made.low_water_at() is not None
