"""The synthetic week is what its generator makes and looks like the real one; the oracle gives what is expected."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.data import clicks, expectations, lines
from tests.data.synthetic_week import FILES, synthetic_bytes, synthetic_hits

DATA = Path(expectations.__file__).parent
SAVED_WEEK = DATA.parents[2] / "shared/data/ga360-merchandise-store/events_2016-08-01_2016-08-07.csv"
KIB = 1_024


def expected(name: str) -> Any:
    """A file of expectations."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("synced", [False, True])
def test_the_generator_makes_the_same_bytes_again(synced: bool) -> None:
    packed = (DATA / FILES[synced]).read_bytes()
    assert gzip.decompress(packed) == synthetic_bytes(synced=synced)
    assert packed[4:8] == bytes(4), "a time in the header makes the same week another file"


def test_the_files_are_small() -> None:
    assert sum((DATA / name).stat().st_size for name in FILES.values()) < 900 * KIB


def test_another_seed_is_another_week() -> None:
    assert not {hit.visitor for hit in synthetic_hits(1)} & {hit.visitor for hit in synthetic_hits(2)}


def test_the_synthetic_week_comes_out_as_expected() -> None:
    live, synced = (expectations.read_lines(DATA / FILES[synced]) for synced in (False, True))
    assert expectations.measure(live=live, synced=synced) == expected("expected_synthetic_week.json")


@pytest.mark.skipif(not SAVED_WEEK.exists(), reason="the saved week may not be kept in the project and is not here")
def test_the_saved_week_comes_out_as_expected() -> None:
    hits = list(clicks.read_hits(SAVED_WEEK))
    live, synced = (lines.lines(hits, synced=synced) for synced in (False, True))
    assert expectations.measure(live=live, synced=synced) == expected("expected_saved_week.json")


def test_both_weeks_are_alike() -> None:
    synthetic, saved = expected("expected_synthetic_week.json")["week"], expected("expected_saved_week.json")["week"]
    for kind, count in saved["events"].items():
        assert abs(synthetic["events"][kind] - count) < 0.1 * count
    assert (synthetic["visitors"], synthetic["orders"]) == (saved["visitors"], saved["orders"])
    assert Decimal(synthetic["revenue"]) == pytest.approx(Decimal(saved["revenue"]), rel=Decimal("0.2"))


def test_orders_come_two_to_four_times_and_the_first_copy_carries_the_revenue() -> None:
    copies = defaultdict(list)
    for hit in sorted(synthetic_hits(), key=lambda hit: (hit.occurred_at, hit.number)):
        if hit.order_id:
            copies[hit.order_id].append(hit)
    assert {len(hits) for hits in copies.values()} == {2, 4}
    for hits in copies.values():
        assert hits[0].revenue is not None
        assert hits[-1].revenue is None
        assert all(1 <= later.occurred_at - earlier.occurred_at <= 324 for earlier, later in pairwise(hits))
        assert len({hit.visitor for hit in hits}) == 1


def test_synced_orders_arrive_at_the_next_half_hour_and_before_its_watermark() -> None:
    records = [json.loads(line) for line in expectations.read_lines(DATA / FILES[True])]
    promised = ""
    for record in records:
        if "watermark" in record:
            assert record["arrived_at"] == record["watermark"]["complete_through"] > promised
            promised = record["arrived_at"]
        elif record["type"] == lines.ORDER_PLACED:
            assert record["arrived_at"][14:] in ("00:00.000Z", "30:00.000Z")
            assert record["time"] <= record["arrived_at"]
            assert record["time"] > promised
    assert "watermark" in records[-1]


def test_a_sync_takes_what_happened_at_its_own_instant() -> None:
    assert lines.next_sync(lines.SYNC_MS) == lines.SYNC_MS
    assert lines.next_sync(lines.SYNC_MS + 1) == 2 * lines.SYNC_MS
