"""Operators: what somebody who may has ordered about one person, by a record in that person's partition."""

from __future__ import annotations

from schemas import codec
from schemas.activation import Backfill, Migration
from schemas.flow import Flow
from schemas.profile import Profile
from streams import backfill, moving, person, poison, waking
from streams.controls import Operator
from streams.program import Program
from streams.reading import event_of, read_whole, trigger_of
from streams.recorder import Recorder
from streams.unit import Record


def obey(program: Program, profile: Profile, said: Operator, *, offset: int, now: int, out: Recorder) -> bool:
    """Do it, by the record at this offset. False: there is nothing to be done, as when it is said twice."""
    over = bool(program.over_before) and waking.end_over(program, profile, now=now, out=out)
    if isinstance(said, Migration):
        done = _move(program, profile, said, now=now, out=out)
    elif isinstance(said, Backfill):
        done = _admit(program, profile, said, offset=offset, now=now, out=out)
    else:
        done = bool(profile.poison)
        poison.resolve(profile, said.offsets, now=now)
    if done:
        person.follow_up(program, profile, now=now, out=out)
    return done or over


def _move(program: Program, profile: Profile, said: Migration, *, now: int, out: Recorder) -> bool:
    flow, moved = program.versions.get((said.flow, said.version)), False
    for enrollment in list(profile.enrollments):
        if enrollment.flow != said.flow or enrollment.version == said.version or program.is_over(enrollment):
            continue
        after = None
        if flow is not None:
            after = moving.move(flow, profile, enrollment, said.labels, now=now)
        if flow is None or after is None:
            out.tallies[("not_moved", said.flow)] += 1
            continue
        person.carry_out(flow, profile, after, now=now, out=out)
        moved = True
    return moved


def _admit(program: Program, profile: Profile, said: Backfill, *, offset: int, now: int, out: Recorder) -> bool:
    """The newest version judges: its trigger, its `where`, its rules of entry; but not how old the event is."""
    try:
        event, type_, occurred_at = event_of(Record(offset, now, said.profile.encode(), bytes(said.event)))
        trigger = trigger_of(program, event, type_, occurred_at, offset)
        interest = program.interests[trigger.type]
        begun, _ = interest.begins(trigger.event.source, trigger.words)
        flow: Flow | None = next(one for one in begun if one.name == said.flow)
        read_whole(trigger, interest)
        identity = codec.decode_identity(trigger.event.identity)
    except (codec.Undecodable, KeyError, StopIteration):  # no event, or none that this flow begins with
        flow = None
    verdict = None if flow is None else backfill.admit(flow, profile, trigger, anchor=said.anchor, now=now)
    if flow is None or verdict is None:
        out.tallies[("not_backfilled", said.flow)] += 1
        return False
    person.notice(profile, trigger.event.identity, identity, trigger.occurred_at)
    person.enter(program, flow, profile, trigger, verdict, now=now, out=out)
    return True
