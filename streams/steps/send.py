"""`send`: the last gates, in the law's order, then one command. The first refusal names the reason.

For example:

    exit_check at_send, an order since the anchor  -> ended by its reason
    the settle gate timed out with `skip`          -> skipped `settle_timeout`, the flow goes on
    channel email, no e-mail address known         -> skipped `no_address`
"""

from __future__ import annotations

from schemas.flow import Send
from streams.exits import first_of
from streams.steps.passage import End, Go, Move, Passage
from streams.verdict import Note

#: Which identifier a channel needs; a channel that is not here needs none.
ADDRESS_OF_CHANNEL = {"email": "email"}


def run(step: Send, passage: Passage) -> Move:
    """Judges the enrollment once more and orders the message."""
    enrollment = passage.enrollment
    unsettled = enrollment.unsettled
    if step.own_gate:
        enrollment.unsettled = ""
    if unsettled == "skip":
        return _skip(step, passage, "settle_timeout")
    rule = first_of(passage.flow, enrollment.exits_held)
    if rule is not None:
        return End(rule.reason)
    address = ADDRESS_OF_CHANNEL.get(step.channel)
    if address is not None and address not in passage.profile.identifiers:
        return _skip(step, passage, "no_address")
    degraded = unsettled == "send"
    reason = "degraded" if degraded else "due"
    passage.notes.append(
        Note(outcome="sent", reason=reason, step=step.label, order=step, visit=enrollment.visit, degraded=degraded)
    )
    return Go(step.next)


def _skip(step: Send, passage: Passage, reason: str) -> Move:
    passage.notes.append(Note(outcome="skipped", reason=reason, step=step.label))
    return Go(step.next)
