"""The heart: a flow, an enrollment or none, a profile, an input and *now*; out comes what happens next, and why.

Synchronous, bounded, and the same answer every time. It never changes what it is given: the enrollment in a verdict
is a copy.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.flow import Flow
from schemas.instants import to_wire
from schemas.profile import Enrollment, Profile, Seen
from schemas.steps import WaitEvent, Waiting, WaitUntil, is_wait
from streams import awaiting, exits, shown, steps
from streams.arming import arm
from streams.entry import judge_entry, place_of, step_of
from streams.passage import End, Go, Passage
from streams.verdict import Note, Passing, Trigger, Verdict, Wakeup, ZoneChange
from streams.view import View


def decide(
    *,
    flow: Flow,
    enrollment: Enrollment | None,
    profile: Profile,
    happening: Passing | Trigger | Wakeup | ZoneChange,
    now: int,
) -> Verdict:
    """What this happening means for this enrollment.

    `enrollment` must be live unless for a Trigger: then it is looked up in the profile by the flow's key, and the
    argument is not read. `now` is the time carried by the record being processed, never a machine clock.
    """
    if flow.status == "shadow":
        profile = shown.seen_by(flow, profile)
    # By the types themselves: to ask `isinstance` of a struct that is none takes long.
    if type(happening) is Trigger:
        return judge_entry(flow, profile, happening, now)
    assert enrollment is not None, "this concerns a live enrollment"
    if type(happening) is Passing:
        return _pass_by(flow, enrollment, profile, happening.seen, now)
    if type(happening) is Wakeup:
        return _wake(flow, enrollment, profile, happening, now)
    return _rezone(flow, enrollment, profile, now)


def _pass_by(flow: Flow, enrollment: Enrollment, profile: Profile, seen: Seen | None, now: int) -> Verdict:
    bits = exits.held_by(flow, enrollment, seen)
    told: list[Note] = []
    if flow.exit_check == "continuous":
        view = View(None, profile, enrollment, flow, now, passing=seen, told=told)
        rule = exits.first_of(flow, bits | exits.true_of(flow, view))
        if rule is not None:
            return Verdict(None, (exits.ended_by(rule, seen, view), *told), enrollment)
    step = step_of(flow, enrollment)
    branch = None
    if seen is not None and enrollment.chosen < 0 and isinstance(step, WaitEvent):
        branch = awaiting.branch_of(step, enrollment, seen, since_at=enrollment.base_at - flow.skew_ms)
    if not bits and branch is None:
        return Verdict(enrollment, tuple(told), enrollment)
    noted = replace(enrollment)
    if bits:
        _pin(flow, noted, profile)
        noted.exits_held |= bits
    if branch is not None:  # it goes on at the next tick: nothing else lets a message out
        noted.chosen, noted.wakeup_at = branch, now
    return Verdict(noted, tuple(told), noted)


def _rezone(flow: Flow, enrollment: Enrollment, profile: Profile, now: int) -> Verdict:
    """Of a wait by the calendar or the wall clock; what is exact, chosen, held or due already stays (semantics 5.5)."""
    place = place_of(flow, enrollment)
    waits = place is not None and is_wait(flow.steps[place])
    if not waits or not enrollment.zone or enrollment.chosen >= 0 or enrollment.due_at <= now:
        return Verdict(enrollment, (), enrollment)
    assert place is not None
    moved = replace(enrollment)
    armed = arm(flow, moved, profile, step=place, base_at=enrollment.base_at, now=now, is_new=False)
    if armed.ends or (moved.zone, moved.due_at) == (enrollment.zone, enrollment.due_at):
        return Verdict(enrollment, (), enrollment)
    return Verdict(moved, armed.notes, moved)


def _wake(flow: Flow, enrollment: Enrollment, profile: Profile, wakeup: Wakeup, now: int) -> Verdict:
    """Run steps until one waits, holds or ends: at most len(steps) turns, as no way leads back without a wait."""
    passage = Passage(
        flow=flow, enrollment=replace(enrollment), profile=profile, gates=wakeup.gates, now=now, policy=wakeup.policy
    )
    own = passage.enrollment
    if own.exits_held:
        _pin(flow, own, profile)
    step = place_of(flow, own)
    if step is None:
        return Verdict(None, (_ended("step_removed", own, {}),), own)
    waiting = flow.steps[step]
    if is_wait(waiting):
        own.waited, own.due_at = True, own.wakeup_at  # complete at its moment, however late we were woken
        step = _go(own, step, way_out(waiting, own))
    for _ in flow.steps:
        kind = flow.steps[step]
        run = steps.RUN.get(type(kind))
        if run is None:  # it is a wait
            own.unsettled = own.gate = ""
            return _arm(passage, step, came_back=own.visit > enrollment.visit)
        told = len(passage.notes)
        move = run(kind, passage)
        if passage.ways:
            passage.notes[told:] = [replace(one, values=passage.ways | one.values) for one in passage.notes[told:]]
        if isinstance(move, Go):
            own.held = False
            step = _go(own, step, move.step)
            if move.completed_at is not None:
                own.due_at = move.completed_at
        elif isinstance(move, End):
            return _end(passage, move.reason, move.values)
        else:
            own.step, own.held, own.wakeup_at = kind.label, True, max(move.until_at, now)
            return Verdict(own, tuple(passage.notes), own, passage.effects)
    raise AssertionError(f"the flow {flow.name} goes in a circle without a wait, which the compiler refuses")


def _pin(flow: Flow, own: Enrollment, profile: Profile) -> None:
    """To this version, if its own is not active any more: what it remembers are numbers of rules, and each version has
    others.
    """
    if own.version != flow.version:
        own.version, own.exits_held = flow.version, exits.held_before(flow, own, profile)


def way_out(waiting: Waiting, own: Enrollment) -> int:
    """Where who has waited goes on: of a `wait_event`, by the branch whose event has come, or as its time is over."""
    if not isinstance(waiting, WaitEvent):
        return waiting.next
    chosen, own.chosen = own.chosen, -1
    return waiting.branches[chosen].next if 0 <= chosen < len(waiting.branches) else waiting.on_timeout


def _go(own: Enrollment, step: int, to: int) -> int:
    """Going back: the messages on this way are new ones."""
    own.visit += to <= step
    return to


def _arm(passage: Passage, step: int, *, came_back: bool) -> Verdict:
    own, kind = passage.enrollment, passage.flow.steps[step]
    base_at = own.due_at if own.waited else own.anchor_at
    if came_back and isinstance(kind, WaitUntil):
        base_at += 1  # a time of the day that is now has been had: the next one is meant
    armed = arm(passage.flow, own, passage.profile, step=step, base_at=base_at, now=passage.now)
    passage.notes += armed.notes
    if armed.ends:
        return _end(passage, armed.ends, {})
    return Verdict(own, tuple(passage.notes), own, passage.effects)


def _end(passage: Passage, reason: str, values: dict[str, Any]) -> Verdict:
    passage.notes.append(_ended(reason, passage.enrollment, passage.ways | values))
    return Verdict(None, tuple(passage.notes), passage.enrollment, passage.effects)


def _ended(reason: str, enrollment: Enrollment, values: dict[str, Any]) -> Note:
    return Note(outcome="ended", reason=reason, values={**values, "anchor_at": to_wire(enrollment.anchor_at)})
