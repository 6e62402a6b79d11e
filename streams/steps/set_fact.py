"""`set`: facts of the person, stated by a flow as a connector would state them.

For example:

    set: { last_cart: trigger.checkout_id, nudged: true }  -> stated at *now*; a step behind it sees them already
    the trigger has no checkout_id                         -> last_cart stays what it was
"""

from __future__ import annotations

from schemas.dossier import Stated
from schemas.steps import SetFact
from streams import deeds
from streams.passage import Go, Move, Passage
from streams.verdict import Note


def run(step: SetFact, passage: Passage) -> Move:
    """Each value that is there becomes a fact."""
    if (elsewhere := deeds.refusal(step, passage)) is not None:
        return elsewhere
    found = {name: passage.value(value) for name, value in step.facts.items()}
    said = {name: value for name, value in found.items() if value is not None}
    for name, value in said.items():
        passage.state(name, Stated(value, passage.now))
    passage.notes.append(Note(outcome="stated", reason="set", step=step.label, values=said))
    return Go(step.next)
