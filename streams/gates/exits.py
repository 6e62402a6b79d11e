"""Exit rules that have become true: judged here under `exit_check: at_send`, and whenever a message is judged again."""

from __future__ import annotations

from schemas.steps import Send
from streams.exits import over
from streams.gates.answer import Answer, Over
from streams.passage import Passage


def judge(step: Send, passage: Passage) -> Answer | None:
    """Of several that hold, the first in the file gives the reason."""
    ended = over(passage.flow, passage.enrollment, passage.profile, passage.view)
    return None if ended is None else Over(ended.reason, ended.values)
