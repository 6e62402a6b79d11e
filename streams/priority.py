"""Priority: of what is due to a person at one moment, the most urgent message goes first and takes the room there is.

For example, two flows due at 09:00 and one message left under a cap: priority 8 goes, priority 5 is skipped or waits.
Of equals, one that has waited for room before gives way, and then one whose command has expired.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.dossier import Message
from schemas.flow import Flow
from schemas.profile import Enrollment
from schemas.steps import If, Route, Send, Split, Step, WaitEvent, Waiting
from streams.entry import place_of
from streams.gates.caps import WAITING


class Turn(NamedTuple):
    """A run that goes on, or one as far as it is needed to judge a message of it again; its flow may be gone."""

    flow: Flow | None
    run: Enrollment
    again: Message | None = None


def ordered(turns: Sequence[Turn]) -> Sequence[Turn]:
    """The same in the order in which they are judged; equals stay as they were."""
    if len(turns) < 2:
        return turns
    return sorted(turns, key=lambda one: (-_urgency(one), one.run.waiting == WAITING, one.again is not None))


def _urgency(turn: Turn) -> int:
    if turn.flow is None or turn.again is None:
        return -1 if turn.flow is None else _highest(turn.flow, turn.run)
    return next((one.priority for one in turn.flow.steps if isinstance(one, Send) and one.label == turn.run.step), -1)


def _highest(flow: Flow, enrollment: Enrollment) -> int:
    """The highest priority of the messages that it may come to now; -1 if it comes to none. Judges nothing."""
    start = place_of(flow, enrollment)
    if start is None:
        return -1
    step, seen, found = flow.steps[start], set[int](), -1
    front = _ways(step, enrollment.chosen) if isinstance(step, Waiting) else [start]
    while front:
        place = front.pop()
        step = flow.steps[place]
        if place in seen or isinstance(step, Waiting):
            continue
        seen.add(place)
        if isinstance(step, Send):
            found = max(found, step.priority)
        front += _ways(step)
    return found


def _ways(step: Step, chosen: int = -1) -> list[int]:
    """Where a step leads; a `wait_event`, on the branch whose event has come, or when its time is over."""
    if isinstance(step, If):
        return [step.then, step.otherwise]
    if isinstance(step, Route):
        return [*step.cases.values(), step.otherwise]
    if isinstance(step, Split):
        return [arm.next for arm in step.arms]
    if isinstance(step, WaitEvent):
        return [step.branches[chosen].next if 0 <= chosen < len(step.branches) else step.on_timeout]
    return [step.next] if hasattr(step, "next") else []
