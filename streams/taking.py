"""Taking: all that one new event of a person brings about."""

from __future__ import annotations

from schemas.profile import Presence, Profile
from streams import acts, earning, person, waking
from streams.program import Program
from streams.recorder import Recorder
from streams.verdict import Trigger

#: Types that we look at ourselves.
_OURS = frozenset({*acts.PARTS, *earning.PARTS})


def passes_by(program: Program, profile: Presence, type_: str) -> bool:
    """Whether an event of this type leaves the rest of the profile as it is: nobody asks for it, as for most events,
    and nothing of this person is looked at whatever the event is.
    """
    return (
        not profile.flags & program.looked_at
        and type_ not in program.interests
        and type_ not in _OURS
        and program.otherwise is None
        and not program.calendar
    )


def take(program: Program, profile: Profile, trigger: Trigger, *, now: int, out: Recorder) -> bool:
    """End what was stopped, apply the event, keep times, earn. False: the person waits for what they waited for."""
    over = bool(program.over_before) and waking.end_over(program, profile, now=now, out=out)
    taken = person.take_event(program, profile, trigger, now=now, out=out)
    moved = person.keep_time(program, profile, now=now, out=out)
    if earning.concerns(profile, trigger.type):
        earning.take(program, profile, trigger, now=now, out=out)
        return True
    return taken or over or moved
