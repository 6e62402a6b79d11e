"""Taking: all that one new event of a person brings about."""

from __future__ import annotations

import msgspec

from schemas.profile import Presence, Profile
from streams import acts, earning, person, waking
from streams.program import Program
from streams.recorder import Recorder
from streams.verdict import Trigger

#: Types that we look at ourselves.
_OURS = frozenset({*acts.PARTS, *earning.PARTS})


class Heeded(msgspec.Struct, frozen=True):
    """What a program cannot let pass."""

    types: frozenset[str] | None  # of events that somebody asks for; None: of all
    flags: int  # of whom any event may change


def heeded_by(program: Program) -> Heeded:
    """Made once for a program, because every event is held against it."""
    all_of_them = program.otherwise is not None or bool(program.calendar)
    return Heeded(None if all_of_them else _OURS.union(program.interests), program.looked_at)


def passes_by(heeded: Heeded, profile: Presence, type_: str) -> bool:
    """Whether an event of this type leaves the rest of the profile as it is: nobody asks for it, as for most events,
    and nothing of this person is looked at whatever the event is.
    """
    types = heeded.types
    return types is not None and type_ not in types and not profile.flags & heeded.flags


def take(program: Program, profile: Profile, trigger: Trigger, *, now: int, out: Recorder) -> bool:
    """End what was stopped, apply the event, keep times, earn. False: the person waits for what they waited for."""
    over = bool(program.over_before) and waking.end_over(program, profile, now=now, out=out)
    taken = person.take_event(program, profile, trigger, now=now, out=out)
    moved = person.keep_time(program, profile, now=now, out=out)
    if earning.concerns(profile, trigger.type):
        earning.take(program, profile, trigger, now=now, out=out)
        return True
    return taken or over or moved
