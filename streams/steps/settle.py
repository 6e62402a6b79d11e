"""`settle`: hold until every source is complete through the due time, so that no late order is overtaken.

For example:

    10:00 checkout, wait 15m, orders arrive at :00 and :30
    10:15  due; shop.orders complete through 10:00   -> held
    10:30  order of 10:12 arrives                    -> ended by the exit rule, no message
    10:30  (no order) watermark 10:30                -> the gate opens, the message goes
    12:15  (no watermark) max_hold 2h is over        -> `skip`: the next send is skipped; `send`: it goes degraded
"""

from __future__ import annotations

from schemas.instants import to_wire
from schemas.steps import Settle
from streams.passage import Go, Hold, Move, Passage
from streams.verdict import Note


def run(step: Settle, passage: Passage) -> Move:
    """On, when open; else held; else, when held for too long, on with a mark for the sends that it guards."""
    enrollment = passage.enrollment
    enrollment.gate = step.label
    if passage.gates.open(step.gates, due_at=enrollment.due_at):
        enrollment.unsettled = ""
        return Go(step.next, completed_at=passage.now if enrollment.held else None)
    until_at = enrollment.due_at + step.max_hold_ms
    values = {"due_at": to_wire(enrollment.due_at), "complete_through": passage.gates.state(step.gates)}
    if enrollment.held:  # woken, and the gate is closed: its time is over
        enrollment.unsettled = step.on_timeout
        return Go(step.next, completed_at=enrollment.wakeup_at)
    passage.notes.append(Note(outcome="held", reason="settle", step=step.label, values=values))
    return Hold(until_at)
