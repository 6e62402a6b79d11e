"""Taking: all that one new event of a person brings about."""

from __future__ import annotations

from schemas.profile import Profile
from streams import acts, earning, person, waking
from streams.program import Program
from streams.recorder import Recorder
from streams.verdict import Trigger

#: Types that we look at ourselves, for anybody.
_OURS = frozenset({*acts.PARTS, earning.CLICK})


def take(program: Program, profile: Profile, trigger: Trigger, *, now: int, out: Recorder) -> bool:
    """End what was stopped, apply the event, keep times, earn. False: the person waits for what they waited for."""
    type_ = trigger.type
    if not (
        profile.enrollments
        or profile.dossier is not None
        or type_ in program.interests
        or type_ in _OURS
        or program.otherwise is not None
        or program.calendar
    ):
        return False  # most events are of people who wait for nothing, and nobody asks for them
    over = bool(program.over_before) and waking.end_over(program, profile, now=now, out=out)
    taken = person.take_event(program, profile, trigger, now=now, out=out)
    moved = person.keep_time(program, profile, now=now, out=out)
    if earning.concerns(profile, type_):
        earning.take(program, profile, trigger, now=now, out=out)
        return True
    return taken or over or moved
