"""Conditions and words: three values, typed kinds, money of one currency (semantics 10)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from schemas.catalog import Kind
from schemas.conditions import All, AnyOf, Compare, Condition, Not, Operator
from streams.predicates import judge_words as judge
from streams.predicates import words_asked
from streams.words import by_part, is_kind, select
from tests.unit.stage import at, checkout, event, logged


def compare(word: str, kind: Kind, operator: Operator, operand: Any = None) -> Compare:
    return Compare(word=word, kind=kind, operator=operator, operand=operand)


TRUE = compare("store", "text", "eq", "two")
FALSE = compare("store", "text", "eq", "three")
UNKNOWN = compare("locale", "text", "eq", "en")
WORDS = {"store": "two"}


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        (TRUE, True),
        (FALSE, False),
        (UNKNOWN, None),
        (Not(part=TRUE), False),
        (Not(part=UNKNOWN), None),
        (All(parts=(TRUE, TRUE)), True),
        (All(parts=(TRUE, UNKNOWN)), None),
        (All(parts=(UNKNOWN, FALSE)), False),
        (All(parts=()), True),
        (AnyOf(parts=(FALSE, UNKNOWN)), None),
        (AnyOf(parts=(UNKNOWN, TRUE)), True),
        (AnyOf(parts=(FALSE, FALSE)), False),
        (Not(part=AnyOf(parts=(FALSE, All(parts=(UNKNOWN, TRUE))))), None),
    ],
)
def test_unknown_is_neither_true_nor_false(condition: Condition, answer: bool | None) -> None:
    """Semantics 10.1: unknown is not false, `not unknown` is unknown."""
    assert judge(condition, WORDS) is answer


@pytest.mark.parametrize(
    ("kind", "value", "operator", "operand", "answer"),
    [
        ("text", "two", "in", ["one", "two"], True),
        ("text", "two", "not_in", ["one", "two"], False),
        ("text", "two", "starts_with", "tw", True),
        ("text", "two", "contains", "wo", True),
        ("text", "10", "eq", "10.0", False),
        ("number", 10, "eq", "10.0", True),
        ("number", "10.50", "gt", 10, True),
        ("number", 0.1, "eq", "0.1", True),
        ("number", 9, "lt", "10", True),
        ("number", 3, "in", [1, "3.0"], True),
        ("number", True, "eq", 1, None),
        ("number", "many", "gt", 1, None),
        ("boolean", True, "is_true", None, True),
        ("boolean", True, "is_false", None, False),
        ("list", ["a", "b"], "contains", "b", True),
        ("list", ["a", "b"], "not_contains", "b", False),
        ("instant", "2026-11-20T12:00:00+02:00", "eq", at("10:00"), True),
        ("instant", "2026-11-20T10:00:00.001Z", "gt", at("10:00"), True),
        ("instant", "2026-11-20T10:00:00", "gt", at("10:00"), None),
        ("money", {"amount": "20.00", "currency": "USD"}, "gte", ["20", "USD"], True),
        ("money", {"amount": "9.99", "currency": "USD"}, "gte", ["20", "USD"], False),
        ("money", {"amount": "100.00", "currency": "EUR"}, "gte", ["20", "USD"], None),
        ("money", {"amount": 100, "currency": "USD"}, "gte", ["20", "USD"], None),
    ],
)
def test_comparators_are_typed_per_kind(
    kind: Kind, value: Any, operator: Operator, operand: Any, answer: bool | None
) -> None:
    """Semantics 10.3: comparisons are typed; a value of another type than declared is unknown."""
    assert judge(compare("word", kind, operator, operand), {"word": value}) is answer


@pytest.mark.parametrize("value", [0, "", [], False])
def test_empty_values_are_set(value: Any) -> None:
    """Semantics 10.2: "is not set" is true for absent or null only."""
    assert judge(compare("word", "text", "is_set"), {"word": value}) is True
    assert judge(compare("word", "text", "is_not_set"), {"word": value}) is False


@pytest.mark.parametrize("words", [{}, {"word": None}])
def test_absent_and_null_are_not_set(words: dict[str, Any]) -> None:
    """Semantics 10.2: never unknown, so that a flow can ask for absence."""
    assert judge(compare("word", "text", "is_set"), words) is False
    assert judge(compare("word", "text", "is_not_set"), words) is True


def test_the_words_a_condition_asks_for() -> None:
    nested = All(parts=(TRUE, AnyOf(parts=(UNKNOWN, Not(part=compare("total", "money", "is_set"))))))
    assert words_asked(nested) == {"store", "locale", "total"}
    assert words_asked(None) == frozenset()


def test_words_are_declared_typed_and_where_the_catalog_says() -> None:
    """Semantics 10.4: words are declared per event type; ids are text."""
    found = select(
        logged(checkout("10:00", total="80.00", channel_id="2", checkout_id="C1", coupon=5, secret="x")),
        by_part("checkout_started"),
    )
    assert found == {"checkout_id": "C1", "total": {"amount": "80.00", "currency": "USD"}, "channel_id": "2"}


def test_a_part_of_another_shape_leaves_its_words_unknown() -> None:
    odd = event("product_viewed", "10:00")
    odd.properties = Raw(b'["product_id"]')
    odd.context = Raw(b'{"channel_id": 2, "store": "two"}')
    assert select(logged(odd), by_part("checkout_started")) == {"store": "two"}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", "", 5),
        ("number", "5.0", "five"),
        ("number", 5, float("nan")),
        ("boolean", False, 0),
        ("list", [], {}),
        ("instant", "2026-11-20T10:00:00Z", "2026-11-20T10:00:00"),
        ("money", {"amount": "1", "currency": "USD"}, {"amount": 1.0, "currency": "USD"}),
    ],
)
def test_kinds(kind: Kind, good: Any, bad: Any) -> None:
    assert is_kind(good, kind)
    assert not is_kind(bad, kind)
