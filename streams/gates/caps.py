"""Frequency caps: rolling windows over the messages that were ordered, by group, channel, class and storefront.

A message takes its room when its command is made. The receipt confirms it, or gives it back. For example, `cap:
{ group: reminders, max: 2, per: 7d, when_capped: defer, expires: 12h }`, two sent on Monday at 09:00 and at 15:00:

    Monday 08:59, a week later  -> held `cap` for a minute;  at 09:00 the first one has left the window, so it goes
    Friday 10:00                -> held `cap` until 22:00, then skipped `cap_expired:reminders`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.dossier import Message
from schemas.instants import to_wire
from schemas.policy import CapRule
from schemas.steps import Send
from streams.gates.answer import Answer, Skip, Wait
from streams.passage import Passage

WAITING = "cap"


class Full(NamedTuple):
    """A cap without room, and when there is some again if nothing is given back."""

    rule: CapRule
    free_at: int


def judge(step: Send, passage: Passage) -> Answer | None:
    """Skips, or waits for room in all caps; what nobody may wait for any longer is skipped."""
    if not (passage.policy.caps or step.cap):
        return None
    full = _full(step, passage)
    if not full:
        return None
    refusing = next((one for one in full if one.rule.when_capped == "skip"), None)
    if refusing is not None:
        return Skip(f"capped:{name_of(refusing.rule)}", _values(refusing))
    last = max(full, key=lambda one: one.free_at)
    room_until = passage.enrollment.room_until or passage.now + min(one.rule.expires_ms for one in full)
    if passage.now >= room_until:
        return Skip(f"cap_expired:{name_of(last.rule)}", _values(last))
    until_at = min(last.free_at, room_until)
    return Wait(reason=WAITING, until_at=until_at, values=_values(last), moves=True, room_until=room_until)


def rules_of(step: Send, policy_caps: Sequence[CapRule], storefront: str) -> list[CapRule]:
    """The caps that a message comes under."""
    group = step.cap.group if step.cap else ""
    found = [one for one in policy_caps if _names(one, group, step.channel, step.message_class, storefront)]
    if step.cap:
        own = step.cap
        found.append(CapRule(
            group=own.group, max=own.max, per_ms=own.per_ms, when_capped=own.when_capped, expires_ms=own.expires_ms,
        ))  # fmt: skip
    return found


def _full(step: Send, passage: Passage) -> list[Full]:
    rules = rules_of(step, passage.policy.caps, passage.storefront(step))
    taken = [one for one in passage.messages() if one.status != "returned" and one.message_class != "transactional"]
    return [found for rule in rules if (found := _judge(rule, taken, passage.now)) is not None]


def _judge(rule: CapRule, taken: Sequence[Message], now: int) -> Full | None:
    """A message takes room for exactly `per`: at the instant of its end it takes none."""
    counted = sorted(
        one.decided_at
        for one in taken
        if one.decided_at > now - rule.per_ms
        and _names(rule, one.group, one.channel, one.message_class, one.storefront)
    )
    return None if len(counted) < rule.max else Full(rule, counted[len(counted) - rule.max] + rule.per_ms)


def _names(rule: CapRule, group: str, channel: str, message_class: str, storefront: str) -> bool:
    return (
        rule.group in (None, group)
        and rule.channel in (None, channel)
        and rule.message_class in (None, message_class)
        and rule.storefront in (None, storefront)
    )


def name_of(rule: CapRule) -> str:
    """What reasons call a cap."""
    return rule.group or rule.channel or rule.storefront or rule.message_class or "all"


def _values(full: Full) -> dict[str, object]:
    return {"max": full.rule.max, "per_seconds": full.rule.per_ms / 1000, "room_at": to_wire(full.free_at)}
