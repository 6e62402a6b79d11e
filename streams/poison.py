"""Poison: a record that a profile could not take. It may have been the order that makes a reminder wrong.

So the profile is held from sending until an operator has replayed or dismissed the record; and if too many of the last
records are poison, the partition stops, because then something is wrong with more than the records.
"""

from __future__ import annotations

from schemas import edge
from schemas.limits import POISON_IN_WINDOW_MAX, POISON_MAX, POISON_WINDOW
from schemas.profile import NEVER, Poison, Profile
from schemas.refusals import Refused
from streams.recorder import Recorder

SetAside = frozenset[tuple[int, bytes, Poison]]  # (offset, profile key, what failed): what is not tried again


def why(value: bytes, error: str) -> tuple[str, str]:
    """Reason and detail of an unreadable record: what the edge says of it, or the error, if it would have passed."""
    try:
        edge.accept_event(edge.parse(value), received_at=None)
    except Refused as refused:
        return refused.reason, refused.detail
    return "invalid_field", error


def hold(profile: Profile, offset: int, what: Poison, *, out: Recorder) -> None:
    """The record at this offset holds up the messages, or every moment, of this profile."""
    out.tallies[("held", what)] += 1
    profile.poison.append((offset, what))
    if len(profile.poison) > POISON_MAX:
        out.tallies[("evicted", "poison")] += 1
        del profile.poison[0]


def resolve(profile: Profile, offsets: tuple[int, ...], *, now: int) -> None:
    """These records are dealt with. Who waits at a message for the last of them goes on, and its moment is now."""
    before, profile.poison = profile.poison, [one for one in profile.poison if one[0] not in offsets]
    if before and not profile.poison:
        for enrollment in profile.enrollments:
            if enrollment.held and enrollment.wakeup_at == NEVER:
                enrollment.wakeup_at = now
        for message in profile.again():
            if message.again_at == NEVER:
                message.again_at = now


def strike(window: list[int], offset: int) -> list[int]:
    """The offsets of poison among the last records, with one more."""
    return [*(one for one in window if one > offset - POISON_WINDOW), offset]


def too_much(window: list[int]) -> str:
    """Why the partition must stop; empty while it need not."""
    if len(window) <= POISON_IN_WINDOW_MAX:
        return ""
    return f"{len(window)} records or wakeups failed within the last {POISON_WINDOW:,} records"
