"""`if`: judged once, when reached; unknown goes the way of false.

For example:

    trigger.total >= 100 USD, trigger has 120 USD  -> then;  trigger has 120 EUR or no total -> else
"""

from __future__ import annotations

from schemas.steps import If
from streams.passage import Go, Move, Passage
from streams.predicates import compared, judge


def run(step: If, passage: Passage) -> Move:
    """To `then` when the condition is true."""
    view = passage.view
    holds = judge(step.condition, view) is True
    passage.came_by(step.label, "then" if holds else "otherwise", compared(step.condition, view))
    return Go(step.then if holds else step.otherwise)
