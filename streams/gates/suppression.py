"""Suppression: a channel on which nothing may go to this person any more, whatever its class (semantics 8)."""

from __future__ import annotations

from schemas.channels import is_addressed
from schemas.instants import to_wire
from schemas.steps import Send
from streams.consent import suppressed_since
from streams.gates.answer import Answer, Skip
from streams.passage import Passage


def judge(step: Send, passage: Passage) -> Answer | None:
    """Skips on a suppressed channel."""
    if not is_addressed(step.channel):
        return None
    since = suppressed_since(passage.profile, channel=step.channel, storefront=passage.storefront(step))
    return None if since is None else Skip(f"suppressed:{step.channel}", {"since": to_wire(since)})
