"""`fact`: a fact of the person against an operand of its declared kind.

fact: { country: { in: [DE, AT] } }          stated as AT                          -> true
                                             never stated                          -> unknown
fact: { birthday: { is_set: true } }         stated as null                        -> false
fact: { loyalty_points: { gte: 100 } }       declared a number, stated as "many"   -> unknown, counted when it came
"""

from __future__ import annotations

from typing import Any

from schemas.conditions import FactIs
from streams.conditions.compare import compare
from streams.facts import value_of
from streams.view import View


def look(condition: FactIs, view: View) -> Any:
    """The value, None if it is not set."""
    return None if view.profile is None else value_of(view.profile, condition.compare.word)


def judge(condition: FactIs, view: View) -> bool | None:
    """The answer."""
    return compare(condition.compare, look(condition, view))


def name(condition: FactIs) -> str:
    """What is compared."""
    return f"fact {condition.compare.word}"
