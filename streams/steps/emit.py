"""`emit`: an event of one's own, reported to intake like any other; a replay reports the same bytes.

For example:

    emit: { event: custom_vip, properties: { code: trigger.code } }  -> on the raw topic, and then back to flows
    the sixth flow in a row that this begins without a wait between  -> refused `enter_flow_depth`, and it goes on
"""

from __future__ import annotations

from schemas.limits import ENTERED_ON_MAX
from schemas.steps import Emit, EnterFlow
from streams import deeds
from streams.passage import Go, Move, Passage
from streams.verdict import Note, Report


def run(step: Emit, passage: Passage) -> Move:
    """Reported at *now*, under an id of its own."""
    if (elsewhere := deeds.refusal(step, passage)) is not None:
        return elsewhere
    if is_too_deep(step, passage):
        return Go(step.next)
    found = {name: passage.value(value) for name, value in step.properties.items()}
    said = {name: value for name, value in found.items() if value is not None}
    report = Report(passage.id_of(step.label), step.event, said, passage.depth())
    passage.own_effects().reports.append(report)
    passage.notes.append(
        Note(outcome="emitted", reason=step.event, step=step.label, values={"event_id": report.id, **said})
    )
    return Go(step.next)


def is_too_deep(step: Emit | EnterFlow, passage: Passage) -> bool:
    """Whether flows have handed this person on too often, none of them after a wait; then that is noted."""
    depth = passage.depth()
    if depth <= ENTERED_ON_MAX:
        return False
    values = {"depth": depth, "max": ENTERED_ON_MAX}
    passage.notes.append(Note(outcome="refused", reason="enter_flow_depth", step=step.label, values=values))
    return True
