"""Records that could not be taken: one of them may be the order, so the message waits until they are dealt with."""

from __future__ import annotations

from schemas.profile import NEVER
from schemas.steps import Send
from streams.gates.answer import Answer, Wait
from streams.passage import Passage


def judge(step: Send, passage: Passage) -> Answer | None:
    """Waits for a resolution in the log."""
    offsets = [offset for offset, _ in passage.profile.poison]
    return Wait(reason="poison", until_at=NEVER, values={"offsets": offsets}) if offsets else None
