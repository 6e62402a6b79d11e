"""Predicates: one module per kind, one line each in this table; and how they are joined, in three values.

A missing word is unknown; unknown is not false, and `not unknown` is unknown. A condition must be true to count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.conditions import All, AnyOf, Compare, Condition, Items, Not
from streams.predicates.compare import compare
from streams.view import View

JUDGES: dict[type, Callable[[Any, View], bool | None]] = {}


def judge(condition: Condition, view: View) -> bool | None:
    """True, false or unknown. Bounded by the size of the condition."""
    if isinstance(condition, Compare):
        return compare(condition, view.words.get(condition.word))
    if isinstance(condition, Not):
        inner = judge(condition.part, view)
        return None if inner is None else not inner
    if isinstance(condition, All | AnyOf):
        answers = [judge(part, view) for part in condition.parts]
        decisive = isinstance(condition, AnyOf)
        if decisive in answers:
            return decisive
        return None if None in answers else not decisive
    return JUDGES[type(condition)](condition, view)


def judge_words(condition: Condition, words: Mapping[str, Any]) -> bool | None:
    """The same for a condition on words alone."""
    return judge(condition, View(words))


def words_used(condition: Condition | None) -> frozenset[str]:
    """The words of the event at hand, or of the trigger, that a condition asks for."""
    if isinstance(condition, Compare):
        return frozenset({condition.word})
    if isinstance(condition, Not):
        return words_used(condition.part)
    if isinstance(condition, All | AnyOf):
        return frozenset().union(*(words_used(part) for part in condition.parts))
    return frozenset({"items"}) if isinstance(condition, Items) else frozenset()
