"""Priority: of what is due to a person at one moment, the most urgent message goes first and takes the room there is.

For example, two flows due at 09:00 and one message left under a cap: priority 8 goes, priority 5 is skipped or waits.
Of equals, one that has waited for room before gives way.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.flow import Flow
from schemas.profile import Enrollment
from schemas.steps import If, Route, Send, Split, WaitEvent, Waiting
from streams.entry import place_of
from streams.gates.caps import WAITING


def ordered(woken: Sequence[tuple[Flow, Enrollment]]) -> list[tuple[Flow, Enrollment]]:
    """The same in the order in which they are judged; equals stay as they were."""
    return sorted(woken, key=lambda one: (-_highest(*one), one[1].waiting == WAITING))


def _highest(flow: Flow, enrollment: Enrollment) -> int:
    """The highest priority of the messages that it may come to now; -1 if it comes to none. Judges nothing."""
    start = place_of(flow, enrollment)
    front, seen, found = [] if start is None else _ways(flow, start), set[int](), -1
    if start is not None and isinstance(step := flow.steps[start], Send):
        found = step.priority
    while front:
        place = front.pop()
        if place in seen:
            continue
        seen.add(place)
        step = flow.steps[place]
        if isinstance(step, Send):
            found = max(found, step.priority)
        if not isinstance(step, Waiting):
            front += _ways(flow, place)
    return found


def _ways(flow: Flow, place: int) -> list[int]:
    """Where a step leads."""
    step = flow.steps[place]
    if isinstance(step, If):
        return [step.then, step.otherwise]
    if isinstance(step, Route):
        return [*step.cases.values(), step.otherwise]
    if isinstance(step, Split):
        return [arm.next for arm in step.arms]
    if isinstance(step, WaitEvent):
        return [*(branch.next for branch in step.branches), step.on_timeout]
    return [step.next] if hasattr(step, "next") else []
