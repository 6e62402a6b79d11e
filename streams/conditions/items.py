"""`items`: a condition on each item of an order, a checkout or a cart.

For example, `items: { any: { categories: { contains: shoes } } }`, and with `all` in place of `any`:

    one shoe, one hat              -> any: true;   all: false
    two shoes                      -> any: true;   all: true
    one hat, one without category  -> any: unknown; all: false
    no items                       -> any: false;  all: unknown, as nobody asks about nothing
    an event that names no items   -> both unknown
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.conditions import Condition, Items


def judge(
    condition: Items, words: Mapping[str, Any], judge_words: Callable[[Condition, Mapping[str, Any]], bool | None]
) -> bool | None:
    """Of the items among these words. What is no object has no words."""
    items = words.get("items")
    if not isinstance(items, list) or (condition.quantifier == "all" and not items):
        return None
    answers = [judge_words(condition.part, item if isinstance(item, dict) else {}) for item in items]
    decisive = condition.quantifier == "any"
    if decisive in answers:
        return decisive
    return None if None in answers else not decisive
