"""Priority: of what is due to a person at one moment, the most urgent message goes first and takes the room there is.

For example, two flows due at 09:00 and one message left under a cap: priority 8 goes, priority 5 is skipped or waits.
Of equals, one that has waited for room before gives way, and then one whose command has expired.

Runs take turns, not messages: a run goes on to its next wait. So what counts is the message that it comes to first; a
later one would have those before it pass by a priority that is not theirs.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

from schemas.dossier import Message
from schemas.flow import Flow
from schemas.profile import Enrollment, Profile
from schemas.steps import Send, is_wait
from streams import shown
from streams.decide import way_out
from streams.entry import place_of, step_of
from streams.gates.caps import WAITING
from streams.passage import Go, Passage
from streams.steps import RUN
from streams.verdict import Wakeup


class Turn(NamedTuple):
    """A run that goes on, or one as far as it is needed to judge a message of it again; its flow may be gone."""

    flow: Flow | None
    run: Enrollment
    again: Message | None = None


def first(turns: Sequence[Turn], profile: Profile, wakeup: Wakeup, *, now: int) -> Turn:
    """Whose turn it is; of equals, the first."""
    if len(turns) == 1:
        return turns[0]

    def place(turn: Turn) -> tuple[int, bool, bool]:
        flow, run, again = turn
        urgency = -1
        if flow is not None and again is not None:
            step = step_of(flow, run)
            urgency = step.priority if isinstance(step, Send) else -1
        elif flow is not None:
            urgency = _coming(Passage(
                flow=flow, enrollment=copy.copy(run), profile=shown.seen_by(flow, profile), gates=wakeup.gates, now=now,
                policy=wakeup.policy,
            ))  # fmt: skip
        return -urgency, run.waiting == WAITING, again is not None

    return min(turns, key=place)


def _coming(passage: Passage) -> int:
    """The priority of the first message that a run comes to now; -1 if it comes to none. Walked on trial: what the
    steps in front of it would do is not done.
    """
    flow, own = passage.flow, passage.enrollment
    place = place_of(flow, own)
    if place is None:
        return -1
    if is_wait(waiting := flow.steps[place]):
        place = way_out(waiting, own)
    for _ in flow.steps:
        step = flow.steps[place]
        if isinstance(step, Send):
            return step.priority
        move = None if is_wait(step) else RUN[type(step)](step, passage)
        if not isinstance(move, Go):
            break
        place, own.held = move.step, False
        if move.completed_at is not None:
            own.due_at = move.completed_at
    return -1
