"""Deduplication: first copy wins, for 14 days, within a bound (semantics 1.4)."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import codec
from schemas.event import Event
from schemas.limits import DEDUPE_HORIZON_MS, DEDUPE_KEYS_MAX
from streams import dedupe
from tests.unit.stage import ANN, Stage, at, checkout, event, flow, logged, order

START = at("00:00")


def remember(seen: bytes, one: Event, now: int = START) -> tuple[bytes, int]:
    key, body = dedupe.fingerprint(logged(one))
    return dedupe.remember(seen, key=key, body=body, now=now)


def look_up(seen: bytes, one: Event, now: int = START) -> str:
    key, body = dedupe.fingerprint(logged(one))
    return dedupe.look_up(seen, key=key, body=body, now=now)


def seen_once(one: Event) -> bytes:
    return remember(b"", one)[0]


def test_the_same_business_event_is_a_duplicate_whatever_its_delivery() -> None:
    """Semantics 1.4: by dedupe key, not by event id, delivery time or source of the copy."""
    first = order("10:00", id="d1", dedupe_key="order:7", order_id="7")
    copy = order("10:05", id="d2", dedupe_key="order:7", order_id="7")
    assert look_up(seen_once(first), copy) == "duplicate"


def test_without_a_dedupe_key_the_event_id_counts() -> None:
    assert look_up(seen_once(checkout("10:00", id="a")), checkout("11:00", id="a")) == "duplicate"
    assert look_up(seen_once(checkout("10:00", id="a")), checkout("10:00", id="b")) == "new"


def test_one_key_in_two_types_is_two_events() -> None:
    assert look_up(seen_once(order("10:00", id="7")), event("order_refunded", "10:00", id="7")) == "new"


@pytest.mark.parametrize(
    "change", [{"total": "8.00"}, {"total": "9.00", "currency": "EUR"}, {"total": "9.00", "order_id": "8"}]
)
def test_another_body_under_the_same_key_is_a_conflict(change: dict[str, Any]) -> None:
    """Semantics 1.4: a second copy with a different body is counted as a conflict."""
    first = order("10:00", id="a", dedupe_key="order:7", total="9.00", order_id="7")
    second = order("10:00", id="b", dedupe_key="order:7", **{"total": "9.00", "order_id": "7", **change})
    assert look_up(seen_once(first), second) == "conflict"


def test_keys_older_than_the_horizon_are_forgotten() -> None:
    seen, _ = remember(b"", checkout("10:00", id="old"))
    kept, _ = remember(seen, checkout("10:00", id="new"), START + DEDUPE_HORIZON_MS)
    assert dedupe.count(kept) == 2
    gone, evicted = remember(seen, checkout("10:00", id="new"), START + DEDUPE_HORIZON_MS + 1_000)
    assert (dedupe.count(gone), evicted) == (1, 0)
    assert look_up(gone, checkout("10:00", id="old")) == "new"


def test_the_bound_evicts_the_oldest_key_and_keeps_orders() -> None:
    """Semantics 1.4: orders are never refused by a bound; the oldest on-site key is evicted and counted."""
    seen = seen_once(order("10:00", id="o"))
    for number in range(DEDUPE_KEYS_MAX - 1):
        seen, evicted = remember(seen, checkout("10:00", id=str(number)))
        assert evicted == 0
    seen, evicted = remember(seen, checkout("10:00", id="one more"))
    assert (dedupe.count(seen), evicted) == (DEDUPE_KEYS_MAX, 1)
    assert look_up(seen, order("10:00", id="o")) == "duplicate"
    assert look_up(seen, checkout("10:00", id="0")) == "new"
    assert look_up(seen, checkout("10:00", id="1")) == "duplicate"


def test_when_all_keys_are_orders_the_oldest_goes_and_the_newest_is_kept() -> None:
    seen = b""
    for number in range(DEDUPE_KEYS_MAX + 1):
        seen, _ = remember(seen, order("10:00", id=str(number)))
    assert dedupe.count(seen) == DEDUPE_KEYS_MAX
    assert look_up(seen, order("10:00", id="0")) == "new"
    assert look_up(seen, order("10:00", id=str(DEDUPE_KEYS_MAX))) == "duplicate"


def test_a_key_is_found_at_its_place_only() -> None:
    """The run of bytes may hold a key's bytes across two entries by chance; that is no match."""
    key = b"ABCDEFGH"
    across = dedupe.ENTRY.pack(b"12345678", 0x41424344, 0x45464748) * 2  # "ABCDEFGH" begins at byte 8
    assert across.find(key) == 8
    assert dedupe.look_up(across, key=key, body=0, now=0) == "new"
    assert dedupe.look_up(across + dedupe.ENTRY.pack(key, 4, 0), key=key, body=4, now=0) == "duplicate"


def test_a_duplicate_trigger_neither_enrolls_nor_is_counted_as_ignored() -> None:
    """Semantics 9.4: `ignored` excludes duplicates."""
    stage = Stage(flow())
    stage.event(checkout("10:00", id="a", dedupe_key="k")).event(checkout("10:01", id="b", dedupe_key="k"))
    assert stage.tallies["event", "duplicate"] == 1
    assert stage.tallies["ignored", "reminder"] == 0


def test_of_two_orders_with_one_key_the_first_one_counts_and_the_conflict_is_kept_in_mind() -> None:
    stage = Stage(flow())
    stage.event(checkout("10:00"))
    stage.event(order("10:01", id="a", dedupe_key="order:7", total="9.00"))
    stage.event(order("10:01", id="b", dedupe_key="order:7", total="0.00"))
    assert stage.tallies["event", "conflict"] == 1
    assert stage.profile().conflicts == 1
    assert stage.story == ["10:00 entered triggered", "10:01 ended bought"]


def test_a_copy_that_differs_is_a_dead_letter_with_its_bytes_and_holds_up_nobody() -> None:
    """Semantics 1.4: kept in quarantine, so that an operator can see it, and the one that counts."""
    stage = Stage(flow()).event(checkout("10:00", id="a", dedupe_key="k", total="9.00"))
    stage.event(checkout("10:00", id="b", dedupe_key="k", total="9.00"), "10:01")
    assert stage.dead_letters == [], "a copy that says the same is no news"
    stage.event(checkout("10:00", id="c", dedupe_key="k", total="8.00"), "10:02").restart()
    (letter,) = stage.dead_letters
    assert (letter.reason, letter.offset, letter.key, letter.profile) == ("conflict", 2, ANN, None)
    assert (letter.value, letter.refused_at) == (stage.log[2].value, "2026-11-20T10:02:00.000Z")
    assert "appended to this partition at 2026-11-20T10:00:00.000Z" in letter.detail
    assert letter.first_at == "2026-11-20T10:00:00.000Z"
    assert stage.finish().sent == ["10:15 remind"]
    assert codec.unpack_partition(stage.record).poison == []


def test_put_in_again_it_changes_nothing() -> None:
    stage = (
        Stage(flow())
        .event(order("10:01", dedupe_key="k", total="9.00"))
        .event(order("10:01", id="b", dedupe_key="k", total="0.00"))
    )
    before = stage.profile()
    stage.append(stage.log[1])
    after = stage.profile()
    assert (after.dedupe, after.history, after.poison) == (before.dedupe, before.history, before.poison)
    assert [one.reason for one in stage.dead_letters] == ["conflict"] * 2


def test_an_event_from_before_the_horizon_is_a_dead_letter() -> None:
    """Semantics 1.4: accepted only as `backfill`."""
    stage = Stage(flow()).pass_time("+15 10:00")
    stage.event(order("09:59"), "+15 10:00").event(order("+1 10:00", id="inside"), "+15 10:00")
    assert [letter.reason for letter in stage.dead_letters] == ["before_dedupe_horizon"]
    assert stage.tallies["event", "new"] == 1


def test_backfill_passes_the_horizon() -> None:
    stage = Stage(flow()).pass_time("+15 10:00").event(order("09:59", backfill=True), "+15 10:00")
    assert (stage.dead_letters, stage.tallies["event", "new"]) == ([], 1)


@pytest.mark.parametrize("something_between", [False, True])
def test_a_key_used_again_after_the_horizon_is_new(something_between: bool) -> None:
    """Semantics 1.4: horizon 14 days; what else the person did meanwhile has no part in it."""
    stage = Stage(flow()).event(checkout("10:00", dedupe_key="k"))
    if something_between:
        stage.event(event("product_viewed", "+15 09:00"))
    stage.event(checkout("+15 10:00", dedupe_key="k"))
    assert stage.tallies["decision", "reminder", "entered", "triggered"] == 2


def test_the_horizon_is_kept_in_seconds_and_never_cut_short() -> None:
    seen, _ = remember(b"", checkout("10:00", id="old"), START + 999)
    kept, _ = remember(seen, checkout("10:00", id="new"), START + 999 + DEDUPE_HORIZON_MS)
    assert look_up(kept, checkout("10:00", id="old")) == "duplicate"
