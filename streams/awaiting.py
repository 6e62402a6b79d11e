"""Awaiting: does an event open a branch of the `wait_event` that an enrollment waits at?

For example, entered at 10:00, timeout 2h, skew 5m:

    order of 10:30, seen at 10:31               -> its branch;  an order of 12:01 comes too late, whenever it is seen
    order of 09:58, seen at 10:01               -> its branch: within the skew, and appended after the step was entered
    order of 09:58, seen at 09:59               -> none, unless it came after the trigger with a fitting `match`
"""

from __future__ import annotations

from schemas.profile import Enrollment, Seen
from schemas.steps import WaitEvent
from streams.matching import fits


def branch_of(step: WaitEvent, enrollment: Enrollment, seen: Seen, *, since_at: int) -> int | None:
    """The first branch that this event opens. Without a `match` it must have occurred after `since_at` and in time."""
    in_time = since_at < seen.occurred_at <= enrollment.due_at
    for number, branch in enumerate(step.branches):
        if branch.when.event != seen.type or not fits(branch.when, seen.source, seen.words):
            continue
        if _correlated(branch.match, enrollment, seen) if branch.match else in_time:
            return number
    return None


def _correlated(match: tuple[tuple[str, str], ...], enrollment: Enrollment, seen: Seen) -> bool:
    """Whether it came after the trigger, and has the same words."""
    if seen.offset <= enrollment.trigger_offset:
        return False
    said, wanted = seen.words, enrollment.words()
    return all(ours in said and said[ours] == wanted.get(theirs) for ours, theirs in match)
