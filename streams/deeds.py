"""Deeds: what a flow does beside messages. Before each it asks once more whether there is still a point to it.

For example, a flow for people who have not bought, that waits a day and then reports an event:

    an order meanwhile, and the filter is false          -> skipped `filter_false`, and the flow goes on
    an order that an exit rule asks for, under `at_send` -> ended by its reason
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.steps import Emit, EnterFlow, SetFact
from streams import filters
from streams.exits import over
from streams.passage import End, Go, Move, Passage


def refusal(step: SetFact | Emit | EnterFlow, passage: Passage) -> Move | None:
    """Where it goes on without the deed, or None: do it."""
    ended = over(passage.flow, passage.enrollment, passage.profile, passage.view)
    if ended is not None:
        return End(ended.reason, ended.values)
    unfit = filters.refusal(passage.flow, passage.view)
    if unfit is None:
        return None
    passage.notes.append(replace(unfit, step=step.label))
    return Go(step.next)
