"""Conditions on the words of an event, in three-valued logic: ``True``, ``False`` and ``None`` for unknown.

A word that is absent, or that holds another type than the comparison asks for, makes the comparison unknown;
so does money in another currency. Only ``is_set`` and ``is_not_set`` always know their answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

Words = dict[str, Any]

MONEY_WORDS = ("total", "price")
NUMBER_WORDS = ("quantity",)


def words_of(envelope: dict[str, Any]) -> Words:
    """What bare words of a flow file stand for: the properties, the context's channel, the value as ``total``."""
    words: Words = dict(envelope.get("properties") or {})
    channel_id = (envelope.get("context") or {}).get("channel_id")
    return words | {"channel_id": channel_id, "total": envelope.get("value")}


def judge(condition: Words, words: Words) -> bool | None:
    """Judge a condition; several entries of one mapping must all hold."""
    return _all_of(_judge_entry(name, body, words) for name, body in condition.items())


def _judge_entry(name: str, body: Any, words: Words) -> bool | None:
    if name == "all":
        return _all_of(judge(part, words) for part in body)
    if name == "any":
        return _negated(_all_of(_negated(judge(part, words)) for part in body))
    if name == "not":
        return _negated(judge(body, words))
    word = name.removeprefix("trigger.")
    return _all_of(_compare(word, words.get(word), comparator, wanted) for comparator, wanted in body.items())


def _all_of(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    if False in found:
        return False
    return None if None in found else True


def _negated(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _compare(word: str, value: Any, comparator: str, wanted: Any) -> bool | None:
    if comparator in ("is_set", "is_not_set"):
        return ((value is not None) == (comparator == "is_set")) is wanted
    if word in MONEY_WORDS:
        if not isinstance(value, dict) or value["currency"] != wanted["currency"]:
            return None
        return _ordered(comparator, Decimal(value["amount"]), Decimal(wanted["money"]))
    if word in NUMBER_WORDS:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        return _ordered(comparator, Decimal(str(value)), Decimal(str(wanted))) if known else None
    return _text(comparator, value, wanted) if isinstance(value, str) else None


def _ordered(comparator: str, left: Decimal, right: Decimal) -> bool:
    answers = {
        "eq": left == right,
        "ne": left != right,
        "gt": left > right,
        "gte": left >= right,
        "lt": left < right,
        "lte": left <= right,
    }
    return answers[comparator]


def _text(comparator: str, value: str, wanted: Any) -> bool:
    if comparator in ("in", "not_in"):
        return (value in [str(one) for one in wanted]) == (comparator == "in")
    answers = {
        "eq": value == str(wanted),
        "ne": value != str(wanted),
        "contains": str(wanted) in value,
        "not_contains": str(wanted) not in value,
        "starts_with": value.startswith(str(wanted)),
    }
    return answers[comparator]
