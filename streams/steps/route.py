"""`route`: one way per text of a word of the trigger, or of a fact, judged once, when reached; else `otherwise`.

For example:

    by channel_id, cases 2 and 3: trigger with "2" -> case 2; trigger with "7" or without -> otherwise
"""

from __future__ import annotations

from schemas.steps import Route
from streams.passage import Go, Move, Passage
from streams.predicates import told


def run(step: Route, passage: Passage) -> Move:
    """To the case of the text."""
    word = passage.value(step.by)
    way = step.cases.get(word) if isinstance(word, str) else None
    passage.came_by(step.label, "otherwise" if way is None else word, {step.by.of: told(word)})
    return Go(step.otherwise if way is None else way)
