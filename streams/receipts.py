"""Receipts: what a sender says has become of a command (`message_reported`), and what that does to its message.

`accepted` and `unknown` confirm the room it takes under caps, anything else gives it back; `expired` has it judged
again. Of two receipts of a command the first counts, but for a rejection after all (a bounce).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.channels import is_addressed
from schemas.dossier import Message
from schemas.profile import Profile
from streams import messages, resend
from streams.consent import SUPPRESSING, suppress
from streams.gates.caps import WAITING
from streams.program import Program
from streams.recorder import Recorder
from streams.verdict import Trigger

CONFIRMING = frozenset({"accepted", "unknown"})
RETURNING = frozenset({"rejected", "expired", "failed", "recalled"})


def take(
    program: Program, profile: Profile, trigger: Trigger, words: Mapping[str, Any], *, now: int, out: Recorder
) -> None:
    """Of a command that is not remembered, and of an outcome that is none, it is only counted; but a complaint that
    comes days later and names its channel still suppresses that.
    """
    outcome = words.get("outcome", "")
    message = messages.find(profile, words.get("command_id", ""))
    channel = words.get("channel", "") if message is None else message.channel
    if outcome == "rejected" and words.get("reason") in SUPPRESSING and is_addressed(channel):
        suppress(profile, channel, at=trigger.occurred_at)
    if message is None or outcome not in CONFIRMING | RETURNING:
        out.tallies[("receipt", "not_matched")] += 1
        return
    if message.status == "returned" or (message.status == "accepted" and outcome != "rejected"):
        return
    _settle(program, profile, message, outcome, now)


def _settle(program: Program, profile: Profile, message: Message, outcome: str, now: int) -> None:
    if outcome in CONFIRMING:
        message.status = "accepted"
    else:
        message.status = "returned"
        _give_room(profile, now)
    if outcome == "expired" and not message.recalled:
        resend.schedule(message, now=now)
    else:
        message.context = messages.trimmed(program.flow_of(messages.run_of(message)), message.context)


def _give_room(profile: Profile, now: int) -> None:
    """Who waits for room is judged again: there may be some."""
    for enrollment in profile.enrollments:
        if enrollment.held and enrollment.waiting == WAITING:
            enrollment.wakeup_at = enrollment.due_at = now
    for message in profile.again():
        if message.waiting == WAITING:
            message.again_at = message.due_at = now
