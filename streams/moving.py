"""Moving: an enrollment goes on in another version of its flow, because an operator has said so.

For example, labels { remind: first_reminder }:

    at `wait_1`, entered 10:00, there a wait of 2h (it was 1h)   -> due 12:00 instead of 11:00
    at `remind`, held by a window                                -> at `first_reminder`, judged again at the next tick,
                                                                    by the gate in front of it first, if it has one now
    an order since, and the new version ends with orders         -> ended by that rule
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from schemas.flow import Flow
from schemas.profile import Enrollment, Profile
from schemas.steps import Send, Settle, Waiting
from streams import shown
from streams.arming import arm
from streams.entry import judge_history, place_of
from streams.verdict import Note, Verdict


def move(flow: Flow, profile: Profile, before: Enrollment, labels: Mapping[str, str], *, now: int) -> Verdict | None:
    """What becomes of it in this version; None when that has no step of the label.

    A wait counts from where it counted before. The messages on its way from here are new ones.
    """
    profile, enrollment = shown.seen_by(flow, profile), copy.copy(before)
    enrollment.step = labels.get(before.step, before.step)
    enrollment.version = flow.version
    place = place_of(flow, enrollment)
    if place is None:
        return None
    if isinstance(message := flow.steps[place], Send) and message.own_gate:
        place = next(at for at, step in enumerate(flow.steps) if isinstance(step, Settle) and step.next == place)
    enrollment.visit += 1
    base_at = now
    if isinstance(flow.steps[place], Waiting):
        base_at = before.base_at or before.anchor_at
        enrollment.unsettled = enrollment.gate = ""
    armed = arm(flow, enrollment, profile, step=place, base_at=base_at, now=now)
    values = {
        "from_version": before.version,
        "to_version": flow.version,
        "from_step": before.step,
        "to_step": enrollment.step,
    }
    moved = Note(outcome="moved", reason="migration", values=values)
    return judge_history(flow, enrollment, profile, moved, now, armed=armed)
