"""Decisions: why a message was sent or not sent, with the values compared and the record that caused it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.command import Clock
from schemas.control import WireInstant

#: entered: enrolled; refused: not enrolled; restarted: a new trigger began it anew; sent: a command was made;
#: skipped: this message is not sent; held: waiting at a gate, or (`poison`) for an operator; exposed: assigned to an
#: arm of a split; stated: facts of the person were set; emitted: an event was reported; ended: it is over; moved: it
#: goes on in another version; recalled: the command is taken back; regretted: it cannot be any more, and a late event
#: says it was wrong; credited: so much of an order, more or less, for the message that was clicked.
Outcome = Literal[
    "entered",
    "refused",
    "restarted",
    "sent",
    "skipped",
    "held",
    "exposed",
    "stated",
    "emitted",
    "ended",
    "moved",
    "recalled",
    "regretted",
    "credited",
]


class Cause(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The record that made the decision happen."""

    topic: str
    partition: int
    offset: int
    event_id: str | None = None


class Decision(
    msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, tag_field="schema", tag="cartwheel.decision.v1"
):
    """One decision about one profile in one flow."""

    decision_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    tenant: str
    profile_id: str
    flow: str
    flow_version: str
    enrollment_id: str | None = None
    step: str | None = None
    outcome: Outcome
    reason: str
    values: Annotated[dict[str, Any], Meta(description="what was compared")]
    cause: Cause
    decided_at: WireInstant
    clock: Clock
    command_id: str | None = None
    arms: Annotated[dict[str, str], Meta(description="arm of each split that the enrollment has come by")] = {}
    ignored: Annotated[int, Meta(ge=0, description="at an end: triggers ignored because the enrollment was live")] = 0
    shadow: Annotated[bool, Meta(description="of a flow that only shows what it would do")] = False
