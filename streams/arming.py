"""Arming: making an enrollment wait at a step. A due time counts from when the step was entered, never from *now*.

For example, in Europe/Berlin, entered Friday 27 March 2026 18:00, the clock going forward on Sunday:

    wait for 1d                         -> Saturday 18:00, 24 hours later;  for 2d: Sunday 18:00, 47 hours later
    wait until "09:00" on [mon-fri]     -> Monday 09:00;  entered at 09:00:00.000 on a Friday: now
    wait until_date trigger.starts_at before 2d at "10:00", starts on 1 April 20:00  -> 30 March 10:00
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Literal

import msgspec

from schemas.flow import Flow
from schemas.instants import from_wire
from schemas.profile import Enrollment, Profile, Seen
from schemas.span import Span
from schemas.steps import Step, Wait, WaitEvent, Waiting, WaitUntil
from streams import awaiting, zone
from streams.clock import span as spans
from streams.clock.wall import instant_of, local, next_at
from streams.verdict import Note

Side = Literal["before", "after"]


class Armed(msgspec.Struct, frozen=True, gc=False):
    """What came of arming. `ends`: why the enrollment is over instead; "" if it waits."""

    ends: str = ""
    notes: tuple[Note, ...] = ()


WAITS = Armed()


def arm(
    flow: Flow, enrollment: Enrollment, profile: Profile, *, step: int, base_at: int, now: int, is_new: bool = True
) -> Armed:
    """Make the enrollment wait at a step: counted from `base_at`, woken never before the record that arms it.

    Also a step that is no wait is reached by waking: nothing but a tick (or its like) lets a message out. A wait that
    is not new, only computed anew, is not asked whether what it waits for has come: it has been, and by now its own
    trigger is among the past.
    """
    kind = flow.steps[step]
    enrollment.step, enrollment.held, enrollment.base_at, enrollment.chosen = kind.label, False, base_at, -1
    enrollment.waiting = enrollment.zone = enrollment.zone_from = ""
    enrollment.room_until = enrollment.held_ms = 0
    if not isinstance(kind, Waiting):
        enrollment.due_at = enrollment.wakeup_at = now
        return WAITS
    notes: tuple[Note, ...] = ()
    if _is_local(kind):
        found, invalid = zone.look_up(profile, flow, context=enrollment.words())
        enrollment.zone, enrollment.zone_from = found
        notes = tuple(Note(outcome="zone_invalid", reason=source) for source in invalid)
    due_at = _due_at(kind, enrollment, profile, base_at)
    if isinstance(due_at, str):
        return Armed(due_at, notes)
    enrollment.due_at = due_at
    enrollment.wakeup_at = max(due_at, now)
    if is_new and profile.history and isinstance(kind, WaitEvent):
        _look_back(kind, enrollment, profile.history, now)
    return Armed("", notes) if notes else WAITS


def moment_of(value: Any, *, span: Span, side: Side, at_ms: int | None, zone: str) -> int | None:
    """So long before or after a date (`2026-05-01`, from its first instant on) or an instant, at a time of that day.

    None when the value is neither.
    """
    try:
        day = date.fromisoformat(value) if len(value) == len("2026-05-01") else None
        at = from_wire(value) if day is None or day.isoformat() != value else instant_of(day, 0, zone)
    except (ValueError, TypeError, OverflowError):
        return None
    moved = spans.subtract(at, span, zone) if side == "before" else spans.add(at, span, zone)
    return moved if at_ms is None else instant_of(local(moved, zone)[0], at_ms, zone)


def _is_local(step: Step) -> bool:
    if isinstance(step, Wait):
        span = step.span
    elif isinstance(step, WaitEvent):
        span = step.timeout
    else:
        return True
    return bool(span.months or span.days)


def _due_at(step: Waiting, enrollment: Enrollment, profile: Profile, base_at: int) -> int | str:
    if isinstance(step, Wait):
        return spans.add(base_at, step.span, enrollment.zone)
    if isinstance(step, WaitEvent):
        return spans.add(base_at, step.timeout, enrollment.zone)
    if isinstance(step, WaitUntil):
        return next_at(base_at, step.at_ms, enrollment.zone, frozenset(step.weekdays))
    value = step.date
    said = enrollment.words().get(value.of) if value.origin == "trigger" else zone.fact(profile, value.of)
    moment = moment_of(said, span=step.span, side=step.side, at_ms=step.at_ms, zone=enrollment.zone)
    if moment is None:
        return "date_missing"
    if moment >= base_at:
        return moment
    return base_at if step.when_past == "go_on" else "date_past"


def _look_back(step: WaitEvent, enrollment: Enrollment, history: Iterable[Seen], now: int) -> None:
    """What has happened since the step was entered may be known already; then it goes on at the next tick."""
    for seen in history:
        branch = awaiting.branch_of(step, enrollment, seen, since_at=enrollment.base_at)
        if branch is not None:
            enrollment.chosen, enrollment.wakeup_at = branch, now
            return
