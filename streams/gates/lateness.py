"""Lateness: how long after its moment a message is reached, and what then (semantics 5.8).

`reevaluate` is what happens anyway: every message is judged when it is reached. `send` passes what may have changed
with time, the profile filter and its own window; never an exit, a withdrawn consent, quiet hours or a cap.
"""

from __future__ import annotations

from schemas.instants import to_wire
from schemas.steps import Send
from streams.gates.answer import Answer, Skip
from streams.passage import Passage


def judge(step: Send, passage: Passage) -> Answer | None:
    """Skips what is too late, if the flow says so."""
    if step.when_late != "skip" or not _is_late(step, passage):
        return None
    due_at = to_wire(passage.enrollment.due_at)
    return Skip("too_late", {"due_at": due_at, "max_lateness_seconds": step.max_lateness_ms / 1000})


def goes_anyway(step: Send, passage: Passage) -> bool:
    """Whether it is late, and the flow says to send it nevertheless."""
    return step.when_late == "send" and _is_late(step, passage)


def _is_late(step: Send, passage: Passage) -> bool:
    return passage.now - passage.enrollment.due_at > step.max_lateness_ms
