"""`probe`: counts that somebody came by, for coverage; it takes no time and changes nothing.

For example:

    if_1 goes to `then` in a flow with probes  -> tally (reached, flow, if_1, then), and on to where `then` leads
"""

from __future__ import annotations

from schemas.steps import Probe
from streams.passage import Go, Move, Passage
from streams.verdict import Note


def run(step: Probe, passage: Passage) -> Move:
    """On, always."""
    if passage.enrollment.unsettled or not step.unsettled:
        passage.notes.append(Note(outcome="reached", reason=step.way, step=step.of))
    return Go(step.next)
