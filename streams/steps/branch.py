"""`if`: judged once, when reached; unknown goes the way of false.

For example:

    trigger.total >= 100 USD, trigger has 120 USD  -> then;  trigger has 120 EUR or no total -> else
"""

from __future__ import annotations

from schemas.steps import If
from streams.passage import Go, Move, Passage
from streams.predicates import judge


def run(step: If, passage: Passage) -> Move:
    """To `then` when the condition is true."""
    return Go(step.then if judge(step.condition, passage.view) is True else step.otherwise)
