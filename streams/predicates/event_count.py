"""`event_count`: how many such events there were, ever, in a window, or since this enrollment began.

event_count: { event: order_placed, in_last: 30d, gte: 2 }    two orders 29 and 31 days ago -> 1, false
event_count: { event: order_placed, since: start, eq: 0 }     an order a second before the checkout that began the
                                                              enrollment, appended after it  -> 1, false
event_count: { event: order_placed, eq: 0 }                   nobody has seen any           -> 0, true: never unknown
"""

from __future__ import annotations

from schemas.conditions import EventCount
from streams.conditions.compare import compare
from streams.counters import occurrences
from streams.view import View


def look(condition: EventCount, view: View) -> int:
    """The number."""
    return occurrences(condition, view)


def judge(condition: EventCount, view: View) -> bool | None:
    """Whether the number satisfies every test."""
    number = look(condition, view)
    return all(compare(test, number) is True for test in condition.tests)


def name(condition: EventCount) -> str:
    """What is compared."""
    return f"event_count {condition.of.event}"
