"""Backfill: people enter a flow by an event of long ago, because an operator has said so.

For example, wait 180 days after an order, anchored at the order, on day 400:

    ordered on day 370            -> entered, due on day 550
    ordered on day 220, or 0      -> entered, due at once
    entered by that order before  -> nothing, so whoever is told twice enters once

Waits in a row count as one: 30 days and 150 days after day 280 are due on day 460, not 150 days from now.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from schemas.flow import Flow
from schemas.profile import NEVER, Enrollment, Profile
from schemas.steps import Wait, Waiting, WaitUntil, WaitUntilDate
from streams import shown
from streams.arming import Armed, arm
from streams.entry import judge_entry, judge_history, key_of
from streams.reentry import past_of
from streams.verdict import Trigger, Verdict


def admit(
    flow: Flow, profile: Profile, trigger: Trigger, *, anchor: Literal["occurred_at", "now"], now: int
) -> Verdict | None:
    """What the trigger means, be it as old as it is; None when it has been taken before, or they are in the flow."""
    key = key_of(flow, trigger)
    if any(one.flow == flow.name and one.key == key for one in profile.enrollments):
        return None
    past = None if key is None else past_of(flow, profile, key)
    if past is not None and past.started_at >= trigger.occurred_at:
        return None
    profile = shown.seen_by(flow, profile)
    verdict = judge_entry(replace(flow, max_trigger_age_ms=NEVER), profile, trigger, now)
    enrollment = verdict.enrollment
    if enrollment is None:
        return verdict
    if anchor == "now":
        enrollment.anchor_at = now
    armed = _arm(flow, enrollment, profile, now)
    verdict = judge_history(flow, enrollment, profile, verdict.notes[0], now, armed=armed)
    enrollment.due_at = max(enrollment.due_at, now)
    entered, *rest = verdict.notes
    return Verdict(verdict.enrollment, (replace(entered, reason="backfilled"), *rest), enrollment)


def _arm(flow: Flow, enrollment: Enrollment, profile: Profile, now: int) -> Armed:
    """At the first wait that is not over, or the last one in a row: what is behind them is reached from here."""
    step, armed = 0, arm(flow, enrollment, profile, step=0, base_at=enrollment.anchor_at, now=now)
    for _ in flow.steps:
        waiting = flow.steps[step]
        if not isinstance(waiting, Wait | WaitUntil | WaitUntilDate) or armed.ends or enrollment.due_at > now:
            break
        if not isinstance(flow.steps[waiting.next], Waiting):
            break
        step, enrollment.waited = waiting.next, True
        armed = arm(flow, enrollment, profile, step=step, base_at=enrollment.due_at, now=now)
    return armed
