"""`last_event`: the newest such event, its words, and how long ago it was. Unknown if there was none.

last_event: { event: order_placed, where: { channel_id: { eq: "2" } }, ago: { lt: 30d } }

an order on channel 2 yesterday                        -> true
one on channel 2 yesterday, one on channel 3 today     -> false: the newest one is judged, not the newest that fits
an order on channel 2 of 40 days ago                   -> false
no order                                               -> unknown; ask `event_count` for that
"""

from __future__ import annotations

from schemas.conditions import Compare, LastEvent
from schemas.instants import to_wire
from streams.conditions import judge_words
from streams.conditions.compare import compare
from streams.counters import newest
from streams.view import View


def look(condition: LastEvent, view: View) -> str | None:
    """When it was."""
    found = newest(condition, view)
    return None if found is None else to_wire(found[0])


def judge(condition: LastEvent, view: View) -> bool | None:
    """Whether its words satisfy the condition, and its age every test."""
    found = newest(condition, view)
    if found is None:
        return None
    occurred_at, words = found
    aged = (
        compare(Compare(word="ago", kind="number", operator=operator, operand=ms), view.now - occurred_at)
        for operator, ms in condition.ago_ms
    )
    answers = [*aged, True if condition.part is None else judge_words(condition.part, words)]
    return False if False in answers else None if None in answers else True


def name(condition: LastEvent) -> str:
    """What is compared."""
    return f"last_event {condition.of.event}"
