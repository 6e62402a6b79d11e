"""The settle gate of a message: its sources must be complete through its moment, also when that moment has moved.

The step `settle` has judged them when the message was reached. A message that has waited since (for hours, for room,
or because its command expired) has a new moment, and orders may have been placed meanwhile:

    20:55  due, complete through 20:55; the window shuts at 20:00  -> held until 08:00
    08:00  orders are complete through 07:30                       -> held `settle` until they are through 08:00

It may wait for hours again after that, and be held again; all these holds together last `max_hold` at most.
"""

from __future__ import annotations

from schemas.flow import Flow
from schemas.instants import to_wire
from schemas.profile import Enrollment
from schemas.steps import Gate, Send, Settle
from streams.gates.answer import Answer, Skip, Wait
from streams.passage import Passage

WAITING = "settle"


def judge(step: Send, passage: Passage) -> Answer | None:
    """Skips when a gate has timed out with `skip`; with `send` the message goes degraded."""
    enrollment = passage.enrollment
    guard = guard_of(passage.flow, enrollment) if enrollment.waiting not in ("", "poison") else None
    if guard is not None and not passage.gates.open(guard.gates, due_at=enrollment.due_at):
        until_at = enrollment.due_at + guard.max_hold_ms - enrollment.held_ms
        if passage.now < until_at:
            reached = passage.gates.state(guard.gates)
            return Wait(reason=WAITING, until_at=until_at, values=_values(enrollment, reached))
        enrollment.unsettled = guard.on_timeout
    elif guard is not None:
        enrollment.unsettled = ""
    if guard is not None and enrollment.waiting == WAITING:
        released_at = min(passage.now, enrollment.wakeup_at)
        enrollment.held_ms += released_at - enrollment.due_at
        enrollment.due_at = released_at  # time at a gate is not late
    return Skip("settle_timeout") if enrollment.unsettled == "skip" else None


def gates_at(flow: Flow, enrollment: Enrollment) -> tuple[Gate, ...]:
    """The sources that a held enrollment waits for; none if it waits for something else."""
    if enrollment.waiting == WAITING:
        guard = guard_of(flow, enrollment)
        return () if guard is None else guard.gates
    step = None if enrollment.waiting else next((one for one in flow.steps if one.label == enrollment.step), None)
    return step.gates if isinstance(step, Settle) else ()


def guard_of(flow: Flow, enrollment: Enrollment) -> Settle | None:
    """The settle step that guards the messages from where this enrollment is to the next wait."""
    if not enrollment.gate:
        return None
    return next((one for one in flow.steps if isinstance(one, Settle) and one.label == enrollment.gate), None)


def _values(enrollment: Enrollment, reached: dict[str, str | None]) -> dict[str, object]:
    return {"due_at": to_wire(enrollment.due_at), "complete_through": reached}
