"""The small vocabulary of `schemas`: instants, money, catalog, refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import instants
from schemas.catalog import BY_SHORT, TYPES, is_known_type, short_name, words_of
from schemas.money import Money
from schemas.refusals import DETAIL_LENGTH_MAX, REASONS, Refused, missing, not_text, pointer, shown

LATEST_AT = instants.from_wire("2999-12-31T23:59:59.999Z")


@given(st.integers(min_value=0, max_value=LATEST_AT))
def test_an_instant_survives_the_wire_and_sorts_there_as_here(instant: int) -> None:
    wire = instants.to_wire(instant)
    assert instants.from_wire(wire) == instant
    assert len(wire) == len("2026-11-21T10:00:00.000Z")
    assert (wire < instants.to_wire(LATEST_AT)) == (instant < LATEST_AT)


def test_an_instant_needs_an_offset() -> None:
    assert instants.from_wire("1970-01-01T01:00:00.001+01:00") == 1
    with pytest.raises(ValueError, match="time without offset"):
        instants.from_wire("2026-11-21T10:00:00")
    with pytest.raises(TypeError):
        instants.from_datetime(datetime.fromisoformat("2026-11-21"))
    assert instants.from_datetime(datetime(1970, 1, 1, 0, 0, 0, 1_999, tzinfo=UTC)) == 1


def test_money_is_exact() -> None:
    assert Money(amount="0.10", currency="EUR").decimal() * 3 == Decimal("0.30")


def test_every_type_has_a_short_name_of_its_own() -> None:
    assert len(BY_SHORT) == len(TYPES)
    assert short_name("commerce.order.placed.v1") == "order_placed"
    assert short_name("custom.quiz.finished.v1") == "custom_quiz_finished_v1"
    assert words_of("custom_quiz_finished_v1") == {
        name: word for name, word in words_of("order_placed").items() if name in words_of("nothing")
    }


@pytest.mark.parametrize(
    ("name", "known"), [("site.active.v1", True), ("custom.x", True), ("custom.", False), ("", False)]
)
def test_a_type_is_of_the_catalog_or_custom(name: str, known: bool) -> None:
    assert is_known_type(name) is known


def test_a_refusal_has_a_reason_of_the_list_and_a_detail_of_bounded_length() -> None:
    refused = Refused("too_deep", "x" * 9_999)
    assert refused.reason in REASONS
    assert len(refused.detail) == DETAIL_LENGTH_MAX
    with pytest.raises(AssertionError, match="not in the list"):
        Refused("because", "I say so")


def test_a_refusal_says_where_and_shows_what_it_found() -> None:
    assert pointer(["items", 0, "a/b~c"]) == "/items/0/a~1b~0c"
    assert missing("value", "currency").detail == "/value/currency is required and absent or null"
    assert not_text(["id"], 12).reason == "number_for_text"
    assert not_text(["id"], True).detail == "/id is true; write text"
    found: list[object] = [{}, [], None, 1.5, "é"]
    assert [shown(value) for value in found] == ["an object", "a list", "null", "the number 1.5", '"é"']
    assert len(shown("x" * 9_999)) < 110
