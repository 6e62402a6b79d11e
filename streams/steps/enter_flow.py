"""`enter_flow`: the person is offered to another flow, which judges them as it judges a trigger.

For example, `welcome` ends with `enter_flow: { flow: nurture }`:

    nurture is live, its `where`, filter and re-entry allow it  -> entered there, with the words of this trigger
    nobody runs a flow of that name, or it is a draft           -> refused `no_such_flow`, and this flow goes on
    a enters b enters a ..., without a wait anywhere            -> the sixth is refused `enter_flow_depth`
"""

from __future__ import annotations

from schemas.steps import EnterFlow
from streams import deeds
from streams.passage import Go, Move, Passage
from streams.steps.emit import is_too_deep
from streams.verdict import Offer


def run(step: EnterFlow, passage: Passage) -> Move:
    """Offered when this passage is over. The moment of this step is the anchor there."""
    if (elsewhere := deeds.refusal(step, passage)) is not None:
        return elsewhere
    if not is_too_deep(step, passage):
        offer = Offer(step.flow, step.label, passage.id_of(step.label), passage.enrollment.due_at, passage.depth())
        passage.own_effects().offers.append(offer)
    return Go(step.next)
