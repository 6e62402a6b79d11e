"""Exit rules that have become true: judged here under `exit_check: at_send`, and whenever a message is judged again."""

from __future__ import annotations

from schemas.steps import Send
from streams.exits import first_of, true_of
from streams.gates.answer import Answer, Over
from streams.passage import Passage


def judge(step: Send, passage: Passage) -> Answer | None:
    """Of several that hold, the first in the file gives the reason."""
    rule = first_of(passage.flow, passage.enrollment.exits_held | true_of(passage.flow, passage.view))
    return None if rule is None else Over(rule.reason)
