"""`route`: one way per text of a word of the trigger, judged once, when reached; anything else goes `otherwise`.

For example:

    by channel_id, cases 2 and 3: trigger with "2" -> case 2; trigger with "7" or without -> otherwise
"""

from __future__ import annotations

from schemas.steps import Route
from streams.passage import Go, Move, Passage


def run(step: Route, passage: Passage) -> Move:
    """To the case of the word's text."""
    word = passage.enrollment.context.get(step.by.of)
    return Go(step.cases.get(word, step.otherwise) if isinstance(word, str) else step.otherwise)
