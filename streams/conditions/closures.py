"""Closures: a condition on words as a function, for triggers, which are asked about every event of their type.

The same answers as those of `streams.conditions.judge_words`, in half the time: operands are in their form, and what
cannot change the answer any more is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.conditions import All, AnyOf, Compare, Condition, Items, Not
from streams.conditions.compare import comparison

Words = Mapping[str, Any]
Closure = Callable[[Words], bool | None]


def closure(condition: Condition) -> Closure:
    """Raises TypeError for a condition on anything but words."""
    if isinstance(condition, Compare):
        word, test = condition.word, comparison(condition)
        return lambda words: test(words.get(word))
    if isinstance(condition, Not):
        return _opposite(closure(condition.part))
    if isinstance(condition, All | AnyOf):
        return _joined(tuple(closure(part) for part in condition.parts), decisive=isinstance(condition, AnyOf))
    if isinstance(condition, Items):
        return _of_items(closure(condition.part), decisive=condition.quantifier == "any")
    raise TypeError(f"{type(condition).__name__} asks about more than words")


def _opposite(part: Closure) -> Closure:
    def answer(words: Words) -> bool | None:
        inner = part(words)
        return None if inner is None else not inner

    return answer


def _joined(parts: tuple[Closure, ...], *, decisive: bool) -> Closure:
    def answer(words: Words) -> bool | None:
        found: bool | None = not decisive
        for part in parts:
            one = part(words)
            if one is decisive:
                return decisive
            if one is None:
                found = None
        return found

    return answer


def _of_items(part: Closure, *, decisive: bool) -> Closure:
    def answer(words: Words) -> bool | None:
        items = words.get("items")
        if not isinstance(items, list) or not (items or decisive):
            return None
        found: bool | None = not decisive
        for item in items:
            one = part(item if isinstance(item, dict) else {})
            if one is decisive:
                return decisive
            if one is None:
                found = None
        return found

    return answer
