"""Trees of conditions: comparisons of words joined by `all`, `any`, `not` and `items`, in three values.

A missing word is unknown; unknown is not false, and `not unknown` is unknown. A condition must be true to count. Every
other kind of condition is judged by a table that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from schemas.conditions import All, AnyOf, Compare, Condition, Items, Not
from streams.conditions import items
from streams.conditions.compare import compare
from streams.view import View

Judges = Mapping[type, Callable[[Any, View], bool | None]]


def judge(condition: Condition, view: View, others: Judges) -> bool | None:
    """True, false or unknown. Bounded by the size of the condition, times that of the items."""
    if isinstance(condition, Compare):
        return compare(condition, view.words.get(condition.word))
    if isinstance(condition, Not):
        inner = judge(condition.part, view, others)
        return None if inner is None else not inner
    if isinstance(condition, All | AnyOf):
        answers = [judge(part, view, others) for part in condition.parts]
        decisive = isinstance(condition, AnyOf)
        if decisive in answers:
            return decisive
        return None if None in answers else not decisive
    if isinstance(condition, Items):
        return items.judge(condition, view.words, judge_words)
    return others[type(condition)](condition, view)


def judge_words(condition: Condition, words: Mapping[str, Any]) -> bool | None:
    """The same for a condition on words alone."""
    return judge(condition, View(words), {})


def leaves(condition: Condition | None) -> Iterator[Condition]:
    """The conditions that a tree joins."""
    if isinstance(condition, Not):
        yield from leaves(condition.part)
    elif isinstance(condition, All | AnyOf):
        for part in condition.parts:
            yield from leaves(part)
    elif condition is not None:
        yield condition


def words_used(condition: Condition | None) -> frozenset[str]:
    """The words of the event at hand, or of the trigger, that a condition asks for."""
    return frozenset(
        leaf.word if isinstance(leaf, Compare) else "items"
        for leaf in leaves(condition)
        if isinstance(leaf, Compare | Items)
    )
