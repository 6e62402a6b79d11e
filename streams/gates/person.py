"""The profile filter, once more, on everything that was known up to the record that released the message (4 iii)."""

from __future__ import annotations

from schemas.steps import Send
from streams import filters
from streams.gates.answer import Answer, Skip
from streams.gates.lateness import goes_anyway
from streams.passage import Passage


def judge(step: Send, passage: Passage) -> Answer | None:
    """Skips whom the flow would not take in now; a late message that is to go anyway is not judged again."""
    if passage.flow.filter is None or goes_anyway(step, passage):
        return None
    refusal = filters.refusal(passage.flow, passage.view)
    return None if refusal is None else Skip(refusal.reason, refusal.values)
