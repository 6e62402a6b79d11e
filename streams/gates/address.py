"""The address that a channel needs."""

from __future__ import annotations

from schemas.channels import ADDRESS_OF_CHANNEL
from schemas.steps import Send
from streams.gates.answer import Answer, Skip
from streams.passage import Passage


def judge(step: Send, passage: Passage) -> Answer | None:
    """Skips whose address is not known."""
    kind = ADDRESS_OF_CHANNEL.get(step.channel)
    return Skip("no_address") if kind is not None and kind not in passage.profile.identifiers else None
