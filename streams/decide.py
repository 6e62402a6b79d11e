"""The heart: a flow, an enrollment or none, a profile, an input and *now*; out comes what happens next, and why.

Synchronous, bounded, and the same answer every time. It never changes what it is given: the enrollment in a verdict
is a copy.
"""

from __future__ import annotations

import copy

from schemas.flow import Flow
from schemas.instants import to_wire
from schemas.profile import Enrollment, Profile, Seen
from schemas.steps import Wait
from streams import exits, steps
from streams.entry import arm, judge_entry, place_of
from streams.passage import End, Hold, Passage
from streams.verdict import Note, Passing, Trigger, Verdict, Wakeup
from streams.view import View


def decide(
    *, flow: Flow, enrollment: Enrollment | None, profile: Profile, happening: Passing | Trigger | Wakeup, now: int
) -> Verdict:
    """What this happening means for this enrollment.

    `enrollment` must be live for a Passing or a Wakeup. For a Trigger it is looked up in the profile by the flow's key,
    and the argument is not read. `now` is the time carried by the record being processed, never a machine clock.
    """
    if isinstance(happening, Trigger):
        return judge_entry(flow, profile, happening, now)
    assert enrollment is not None, "an exit or a wakeup concerns a live enrollment"
    if isinstance(happening, Passing):
        return _pass_by(flow, enrollment, profile, happening.seen, now)
    return _wake(flow, enrollment, profile, happening, now)


def _pass_by(flow: Flow, enrollment: Enrollment, profile: Profile, seen: Seen | None, now: int) -> Verdict:
    bits = exits.held_by(flow, enrollment, seen)
    if flow.exit_check == "continuous":
        view = View(enrollment.context, profile, enrollment, flow, now, passing=seen)
        rule = exits.first_of(flow, bits | exits.true_of(flow, view))
        if rule is None:
            return Verdict(enrollment, (), enrollment)
        return Verdict(None, (exits.ended_by(rule, seen, view),), enrollment)
    if not bits:
        return Verdict(enrollment, (), enrollment)
    noted = copy.copy(enrollment)
    noted.exits_held |= bits
    return Verdict(noted, (), noted)


def _wake(flow: Flow, enrollment: Enrollment, profile: Profile, wakeup: Wakeup, now: int) -> Verdict:
    """Run steps until one waits, holds or ends: at most len(steps) turns, as no way leads back without a wait."""
    passage = Passage(
        flow=flow, enrollment=copy.copy(enrollment), profile=profile, gates=wakeup.gates, now=now, policy=wakeup.policy
    )
    own = passage.enrollment
    step = place_of(flow, own)
    if step is None:
        return Verdict(None, (_ended("step_removed", own),), own)
    waiting = flow.steps[step]
    if isinstance(waiting, Wait):
        step = waiting.next
        own.waited, own.due_at = True, own.wakeup_at  # complete at its moment, however late we were woken
    while True:
        kind = flow.steps[step]
        if isinstance(kind, Wait):
            own.unsettled = own.gate = ""
            arm(flow, own, step=step, base_at=own.due_at if own.waited else own.anchor_at, now=now)
            return Verdict(own, tuple(passage.notes), own)
        move = steps.RUN[type(kind)](kind, passage)
        if isinstance(move, End):
            passage.notes.append(_ended(move.reason, own))
            return Verdict(None, tuple(passage.notes), own)
        if isinstance(move, Hold):
            own.step, own.held, own.wakeup_at = kind.label, True, max(move.until_at, now)
            return Verdict(own, tuple(passage.notes), own)
        own.held = False
        own.visit += move.step <= step  # going back: the messages on this way are new ones
        step = move.step
        if move.completed_at is not None:
            own.due_at = move.completed_at


def _ended(reason: str, enrollment: Enrollment) -> Note:
    return Note(outcome="ended", reason=reason, values={"anchor_at": to_wire(enrollment.anchor_at)})
