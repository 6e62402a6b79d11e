"""A copy of an event that says something else, and the one that counts: where that is looked for, what differs."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console, Group

from agents.cli.dead_letter_shown import DIFFERENCES_SHOWN, drawn
from agents.dead_letters.copies import ABSENT, Search, differences
from schemas import codec
from schemas.dead_letter import DeadLetter, letter
from schemas.event import Event
from streams.unit import NO_TIME, Record
from tests.unit.stage import ANN, BOB, at, checkout, order

FIRST_AT = at("10:00")


def body(event: Event) -> bytes:
    return codec.encode(event)


def copy(event: Event) -> DeadLetter:
    return letter(
        reason="conflict", detail="d", stage="worker", topic="log", partition=3, offset=9, key=ANN,
        value=body(event), refused_at=at("10:05"), first_at=FIRST_AT,
    )  # fmt: skip


def found(*records: tuple[int, bytes, Event], of: Event | None = None, cut: bool = False) -> int | None:
    """The offset of the copy that counts among (time, key, event)."""
    search = Search(copy(of or order("10:04", id="b", dedupe_key="k", total="0.00")), first_at=FIRST_AT, cut=cut)
    made = [Record(offset, time, key, body(event)) for offset, (time, key, event) in enumerate(records)]
    for one in made:  # in whatever pieces they are fetched
        if (hit := search.among([one])) is not None:
            return hit.offset
    return None


def test_the_first_copy_is_the_same_event_of_the_same_person_in_that_second() -> None:
    """Semantics 1.4: told by dedupe key and event type."""
    wanted = order("10:00", id="a", dedupe_key="k", total="9.00")
    assert found((FIRST_AT, ANN, wanted)) == 0
    assert found((FIRST_AT + 999, ANN, wanted)) == 0
    assert found((FIRST_AT - 1, ANN, wanted)) is None, "that one was forgotten"
    assert found((FIRST_AT + 1_000, ANN, wanted)) is None
    assert found((FIRST_AT, BOB, wanted)) is None
    assert found((FIRST_AT, ANN, order("10:00", id="a", dedupe_key="other", total="9.00"))) is None
    assert found((FIRST_AT, ANN, checkout("10:00", id="a", dedupe_key="k", total="9.00"))) is None
    assert found((FIRST_AT, ANN, wanted), (FIRST_AT, ANN, wanted)) == 0


def test_without_a_dedupe_key_source_and_id_tell() -> None:
    """Semantics 1.4."""
    of = order("10:04", id="a", total="0.00")
    other_source = order("10:00", id="a", total="9.00", source="shop.other")
    assert found((FIRST_AT, ANN, other_source), (FIRST_AT, ANN, order("10:00", id="a", total="9.00")), of=of) == 1


def test_a_record_with_a_lower_time_was_taken_at_the_time_before_it() -> None:
    """Semantics 1.2."""
    wanted, other = order("10:00", dedupe_key="k", total="9.00"), order("10:00", dedupe_key="other")
    assert found((FIRST_AT + 7, BOB, other), (FIRST_AT - 5_000, ANN, wanted)) == 1
    assert found((FIRST_AT + 7, BOB, other), (NO_TIME, BOB, other), (FIRST_AT + 8, ANN, wanted)) == 2


def test_where_the_log_begins_within_that_second_nobody_can_tell_which_was_the_first() -> None:
    """The first may be forgotten, and a copy that stands behind it does not count."""
    wanted, other = order("10:00", dedupe_key="k", total="9.00"), order("10:00", dedupe_key="other")
    assert found((FIRST_AT, BOB, other), (FIRST_AT + 7, ANN, wanted), cut=True) is None
    assert found((FIRST_AT, BOB, other), (FIRST_AT + 7, ANN, wanted), cut=False) == 1, "nothing was before"
    assert found((FIRST_AT - 1, BOB, other), (FIRST_AT, ANN, wanted), cut=True) == 1, "what is forgotten was before it"


def test_what_cannot_be_read_is_no_copy() -> None:
    search = Search(copy(order("10:04", dedupe_key="k")), first_at=FIRST_AT, cut=False)
    assert search.among([Record(0, FIRST_AT, ANN, b"{"), Record(1, FIRST_AT, ANN, b"")]) is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"id": "a"}, {"id": "a"}, []),
        ({"value": {"amount": "9.00"}}, {"value": {"amount": "8.00"}}, [("/value/amount", "9.00", "8.00", True)]),
        ({"value": {"amount": "9.00"}}, {"value": None}, [
            ("/value/amount", "9.00", ABSENT, True), ("/value", ABSENT, None, True)]),
        ({"id": "a", "items": [{"sku": "x"}]}, {"id": "b", "items": [{"sku": "x"}, {"sku": "y"}]}, [
            ("/items/1/sku", ABSENT, "y", True), ("/id", "a", "b", False)]),
        ({"properties": {"a/b": 1, "c": []}}, {"properties": {"a/b": 1, "c": [1]}}, [
            ("/properties/c", [], ABSENT, True), ("/properties/c/0", ABSENT, 1, True)]),
        ({"properties": {"a/b": 1}}, {"properties": {"a/b": True}}, [("/properties/a~1b", 1, True, True)]),
    ],
)  # fmt: skip
def test_copies_differ_field_by_field(first: Any, second: Any, expected: list[tuple[Any, ...]]) -> None:
    told = differences(json.dumps(first).encode(), json.dumps(second).encode())
    assert [(*one, one.counts) for one in told] == expected


def test_however_deep_it_is_there_is_an_end() -> None:
    deep = [b'{"items":' + b"[" * 500 + leaf + b"]" * 500 + b"}" for leaf in (b"1", b"2")]
    (one,) = differences(*deep)
    assert one.field.startswith("/items/0/0")
    assert one.field.count("/") < 20


def shown(first: Event, second: Event) -> str:
    """What `dead-letters show` draws of it."""
    told = [
        {name: value for name, value in one._asdict().items() if value is not ABSENT} | {"counts": one.counts}
        for one in differences(body(first), body(second))
    ]
    place = {"topic": "log", "partition": 3, "offset": 7, "appended_at": "2026-11-20T10:00:00.123Z"}
    console = Console(width=120, record=True, file=StringIO())
    console.print(Group(*drawn({"name": "log/3/9", "first": place, "differences": told})))
    return console.export_text()


def test_people_see_where_the_first_stands_and_what_differs() -> None:
    text = shown(order("10:00", id="a", total="9.00"), order("10:00", id="a", total="[bold]0"))
    assert "log/3/7 and was appended at 2026-11-20T10:00:00.123Z" in text
    assert ["/value/amount", '"9.00"', '"[bold]0"'] in [line.split() for line in text.splitlines()]
    assert "written differently" not in text


def test_people_see_that_only_the_writing_differs_and_no_more_than_a_screen_or_two() -> None:
    assert "only written differently" in shown(order("10:00", id="a"), order("10:01", id="a"))
    many = {f"p{number}": number for number in range(DIFFERENCES_SHOWN + 30)}
    text = shown(order("10:00", id="a"), order("10:00", id="a", **many))
    assert "and 31 more fields; --json has all of them" in text
    assert len(text.splitlines()) < DIFFERENCES_SHOWN + 10
