"""`route`: one way per text of a word of the trigger, or of a fact, judged once, when reached; else `otherwise`.

For example:

    by channel_id, cases 2 and 3: trigger with "2" -> case 2; trigger with "7" or without -> otherwise
"""

from __future__ import annotations

from schemas.steps import Route
from streams.passage import Go, Move, Passage


def run(step: Route, passage: Passage) -> Move:
    """To the case of the text."""
    word = passage.value(step.by)
    return Go(step.cases.get(word, step.otherwise) if isinstance(word, str) else step.otherwise)
