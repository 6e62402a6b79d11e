"""`send`: the last gates, in the law's order, then one command. The first refusal names the reason.

For example:

    exit_check at_send, an order since the anchor  -> ended by its reason
    an exit rule on the person is true by now      -> ended by its reason
    the settle gate timed out with `skip`          -> skipped `settle_timeout`, the flow goes on
    a record of this profile could not be taken    -> held `poison`, until an operator has dealt with it
    the profile filter is no longer true           -> skipped `filter_false`, the flow goes on
    when_late skip, and it is too late by then     -> skipped `too_late`, the flow goes on
    channel email, no e-mail address known         -> skipped `no_address`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.profile import NEVER, Enrollment
from schemas.steps import Send
from streams.exits import first_of, true_of
from streams.filters import refusal
from streams.steps.passage import End, Go, Hold, Move, Passage
from streams.verdict import Note

#: Which identifier a channel needs; a channel that is not here needs none.
ADDRESS_OF_CHANNEL = {"email": "email"}
NO_VALUES: Mapping[str, Any] = {}


def run(step: Send, passage: Passage) -> Move:
    """Judges the enrollment once more and orders the message."""
    enrollment, unsettled = passage.enrollment, passage.enrollment.unsettled
    if unsettled != "skip":
        rule = first_of(passage.flow, enrollment.exits_held | true_of(passage.flow, passage.view))
        if rule is not None:
            return End(rule.reason)
        if passage.profile.poison:
            return _hold(step, passage)
    if step.own_gate:
        enrollment.unsettled = ""
    if unsettled == "skip":
        return _skip(step, passage, "settle_timeout")
    if (unfit := refusal(passage.flow, passage.view)) is not None:
        return _skip(step, passage, unfit.reason, unfit.values)
    if step.when_late == "skip" and passage.now - enrollment.due_at > step.max_lateness_ms:
        return _skip(step, passage, "too_late")
    address = ADDRESS_OF_CHANNEL.get(step.channel)
    if address is not None and address not in passage.profile.identifiers:
        return _skip(step, passage, "no_address")
    degraded = unsettled == "send"
    reason = "degraded" if degraded else "due"
    enrollment.sent += 1
    passage.notes.append(
        Note(outcome="sent", reason=reason, step=step.label, order=step, visit=enrollment.visit, degraded=degraded)
    )
    return _go_on(step, enrollment)


def _hold(step: Send, passage: Passage) -> Move:
    """Until the last poison record of the profile is dealt with; noted once."""
    if not passage.enrollment.held:
        values = {"offsets": [offset for offset, _ in passage.profile.poison]}
        passage.notes.append(Note(outcome="held", reason="poison", step=step.label, values=values))
    return Hold(NEVER)


def _skip(step: Send, passage: Passage, reason: str, values: Mapping[str, Any] = NO_VALUES) -> Move:
    passage.notes.append(Note(outcome="skipped", reason=reason, step=step.label, values=dict(values)))
    return _go_on(step, passage.enrollment)


def _go_on(step: Send, enrollment: Enrollment) -> Go:
    """Who was held here is done with the step at the moment of release, not when it was reached."""
    return Go(step.next, completed_at=enrollment.wakeup_at if enrollment.held else None)
