"""Comparisons: one value against one operand of the same kind, in three values; None is unknown.

A missing word is unknown, and so is money of another currency. `is_set` and `is_not_set` are never unknown.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from schemas.catalog import Kind
from schemas.conditions import Compare
from streams import words as word_values

#: What is compared as it is stored. The other kinds are brought into a form that compares.
AS_STORED: dict[Kind, type] = {"text": str, "boolean": bool, "list": list}


def compare(compare: Compare, value: Any) -> bool | None:
    """The answer. A value of another kind than that of the comparison is unknown, and so is None."""
    if compare.operator == "is_set":
        return value is not None
    if compare.operator == "is_not_set":
        return value is None
    if value is None:
        return None
    if compare.kind in AS_STORED:
        if not isinstance(value, AS_STORED[compare.kind]):
            return None
        return (_OF_LISTS if compare.kind == "list" else _OPERATORS)[compare.operator](value, compare.operand)
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
    if kind == "date":
        return word_values.as_date(value)
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
_OF_LISTS: dict[str, Callable[[Any, Any], bool]] = {
    "contains": lambda left, right: right in left,
    "not_contains": lambda left, right: right not in left,
    "in": lambda left, right: any(part in right for part in left),
    "not_in": lambda left, right: not any(part in right for part in left),
}
