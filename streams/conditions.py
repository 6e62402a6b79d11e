"""Conditions over words, in three values: true, false, and None for unknown.

A missing word is unknown; unknown is not false, `not unknown` is unknown. `is_set` and `is_not_set` are never unknown.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from schemas.catalog import Kind
from schemas.flow import All, AnyOf, Compare, Condition, Not
from streams import words as word_values

Words = Mapping[str, Any]

AS_STORED = frozenset[Kind]({"text", "boolean", "list"})  # the others are brought into a form that compares


def judge(condition: Condition, words: Words) -> bool | None:
    """True, false or unknown. Bounded by the size of the condition."""
    if isinstance(condition, Compare):
        return _compare(condition, words.get(condition.word))
    if isinstance(condition, Not):
        inner = judge(condition.part, words)
        return None if inner is None else not inner
    answers = [judge(part, words) for part in condition.parts]
    decisive = isinstance(condition, AnyOf)
    if decisive in answers:
        return decisive
    return None if None in answers else not decisive


def words_used(condition: Condition | None) -> frozenset[str]:
    """The words that a condition asks for."""
    if condition is None:
        return frozenset()
    if isinstance(condition, Compare):
        return frozenset({condition.word})
    if isinstance(condition, Not):
        return words_used(condition.part)
    assert isinstance(condition, All | AnyOf)
    return frozenset().union(*(words_used(part) for part in condition.parts))


def _compare(compare: Compare, value: Any) -> bool | None:
    if compare.operator == "is_set":
        return value is not None
    if compare.operator == "is_not_set":
        return value is None
    if value is None:
        return None
    if compare.kind in AS_STORED:
        return _OPERATORS[compare.operator](value, compare.operand)
    if compare.kind == "money":
        return _compare_money(compare, value)
    left = _operand(compare.kind, value)
    return None if left is None else _OPERATORS[compare.operator](left, _right(compare))


def _compare_money(compare: Compare, value: Any) -> bool | None:
    left = word_values.as_money(value)
    amount, currency = compare.operand
    if left is None or left[1] != currency:
        return None  # amounts of different currencies have no order
    return _OPERATORS[compare.operator](left[0], Decimal(amount))


def _right(compare: Compare) -> Any:
    if compare.operator in ("in", "not_in"):
        return [_operand(compare.kind, item) for item in compare.operand]
    return _operand(compare.kind, compare.operand)


def _operand(kind: Kind, value: Any) -> Any:
    if kind == "number":
        return word_values.as_number(value)
    return value if isinstance(value, int) else word_values.as_instant(value)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda left, right: left in right,
    "not_in": lambda left, right: left not in right,
    "contains": lambda left, right: right in left,
    "not_contains": lambda left, right: right not in left,
    "starts_with": lambda left, right: bool(left.startswith(right)),
    "is_true": lambda left, _right: left is True,
    "is_false": lambda left, _right: left is False,
}
