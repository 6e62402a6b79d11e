"""The profile filter: whom a flow is for. Judged at enrollment, and again before every side effect (semantics 4).

filter: { event_count: { event: order_placed, since: start, eq: 0 } }

10:00  checkout                                 -> entered
10:00  checkout; its order was here before it   -> refused `filter_false`, with the number that was found
11:00  the message is due, an order since       -> skipped `filter_false`; the flow goes on
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.conditions import Condition
from schemas.flow import Flow
from schemas.profile import Enrollment, Profile
from streams.predicates import compared, judge
from streams.verdict import Note, Trigger
from streams.view import View


def refusal(flow: Flow, view: View) -> Note | None:
    """Why there is no side effect, or None: the filter is true, or there is none."""
    if flow.filter is None:
        return None
    answer = judge(flow.filter, view)
    if answer is True:
        return None
    values = {"filter": "unknown" if answer is None else "false", **compared(flow.filter, view)}
    return Note(outcome="skipped", reason="filter_false", values=values)


def found(filter_: Condition, view: View) -> dict[str, Any]:
    """What a filter has compared where it was true: for the decision that it let by."""
    return {"filter": "true", **compared(filter_, view)}


def refusal_at_entry(
    flow: Flow, profile: Profile, trigger: Trigger, *, key: str, now: int, told: list[Note]
) -> Note | None:
    """Why a trigger enrolls nobody, or None. Nobody is enrolled yet, but this would be the start."""
    if flow.filter is None:
        return None
    start = Enrollment(
        enrollment_id="", flow=flow.name, key=key, visit=1, anchor_at=trigger.occurred_at,
        triggered_at=trigger.occurred_at, trigger_offset=trigger.offset, entered_at=now, context=trigger.packed,
    )  # fmt: skip
    note = refusal(flow, View(trigger.words, profile, start, flow, now, trigger.offset, told=told))
    return None if note is None else replace(note, outcome="refused")
