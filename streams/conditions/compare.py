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
    return comparison(compare)(value)


def comparison(compare: Compare) -> Callable[[Any], bool | None]:
    """The same for whoever compares often: the operand is brought into its form once."""
    if compare.operator == "is_set":
        return lambda value: value is not None
    if compare.operator == "is_not_set":
        return lambda value: value is None
    if compare.kind in AS_STORED:
        return _as_stored(compare)
    if compare.kind == "money":
        return _of_money(compare)
    test, form, wanted = _OPERATORS[compare.operator], _FORMS[compare.kind], compare.operand
    right = [form(one) for one in wanted] if compare.operator in ("in", "not_in") else form(wanted)

    def answer(value: Any) -> bool | None:
        left = form(value)
        return None if left is None else test(left, right)

    return answer


def _as_stored(compare: Compare) -> Callable[[Any], bool | None]:
    type_, right = AS_STORED[compare.kind], compare.operand
    test = (_OF_LISTS if compare.kind == "list" else _OPERATORS)[compare.operator]
    return lambda value: test(value, right) if isinstance(value, type_) else None


def _of_money(compare: Compare) -> Callable[[Any], bool | None]:
    amount, currency = compare.operand
    test, right = _OPERATORS[compare.operator], Decimal(amount)

    def answer(value: Any) -> bool | None:
        left = word_values.as_money(value)
        # Amounts of different currencies have no order.
        return None if left is None or left[1] != currency else test(left[0], right)

    return answer


def _instant(value: Any) -> int | None:
    return value if isinstance(value, int) else word_values.as_instant(value)


_FORMS: dict[Kind, Callable[[Any], Any]] = {
    "number": word_values.as_number,
    "date": word_values.as_date,
    "instant": _instant,
}
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
