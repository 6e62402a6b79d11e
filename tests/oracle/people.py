"""What the interpreter keeps: promises of sources, what is known of a profile, its enrollments, and its orders."""

from __future__ import annotations

from typing import NamedTuple

from tests.oracle.flowfile import Gate
from tests.oracle.records import Event, Watermark

DEDUPE_HORIZON_MS = 14 * 86_400_000
NEVER = 1 << 62


class Command(NamedTuple):
    """An order to send one message. ``decided_at`` is in milliseconds since the epoch."""

    command_id: str
    enrollment_id: str
    profile_id: str
    flow: str
    step: str
    visit: int
    decided_at: int


class Marks:
    """How far each source has promised to be complete. Promises only grow."""

    def __init__(self) -> None:
        self.heard: list[Watermark] = []

    def hear(self, mark: Watermark) -> None:
        """Take note of a promise."""
        self.heard.append(mark)

    def complete(self, gate: Gate, *, tenant: str, through: int) -> bool:
        """Is every named source, in every shop that ever reported it, complete through this instant?"""
        return all(self._source_complete(source, tenant, through) for source in gate.sources)

    def _source_complete(self, source: str, tenant: str, through: int) -> bool:
        promises: dict[str, int] = {}
        for mark in self.heard:
            if mark.source == source and mark.tenant in (None, tenant):
                promises[mark.shop] = max(mark.complete_through, promises.get(mark.shop, mark.complete_through))
        return bool(promises) and min(promises.values()) >= through


class Profile:
    """What is known of one profile: the events taken, in the order of the log."""

    def __init__(self) -> None:
        self.history: list[Event] = []
        self.duplicates = 0
        self.too_old = 0
        self.poison: set[int] = set()  # where its unreadable records stand that nobody has dealt with

    @property
    def phone(self) -> str | None:
        """Of all numbers the one that was said last."""
        said = [(event.occurred_at, event.phone) for event in self.history if event.phone]
        return max(said)[1] if said else None

    def take(self, event: Event) -> bool:
        """Take an event unless it was taken before, or is so old that nobody could know."""
        if event.occurred_at < event.appended_at - DEDUPE_HORIZON_MS and not event.backfill:
            self.too_old += 1
            return False
        if any(self._same(event, earlier) for earlier in self.history):
            self.duplicates += 1
            return False
        self.history.append(event)
        return True

    @staticmethod
    def _same(event: Event, earlier: Event) -> bool:
        remembered = earlier.occurred_at >= event.appended_at - DEDUPE_HORIZON_MS
        return remembered and (earlier.name, earlier.dedupe) == (event.name, event.dedupe)


class Enrollment:
    """One run through the flow. ``wake_at`` is when it goes on by itself; ``held_through`` is set at a settle gate.

    ``opened_at`` is set, on a carried clock, while that gate is open. ``stuck`` is set at a message that waits for an
    operator. ``chosen`` is the branch of an awaited event that has come. ``counts_from`` is when it began, for
    re-entry; None while it does not count.
    """

    def __init__(self, *, enrollment_id: str, key: str, trigger: Event) -> None:
        self.enrollment_id = enrollment_id
        self.key = key
        self.started_at = trigger.occurred_at
        self.ended_at: int | None = None
        self.visit = 1
        self.counts_from: int | None = None
        self.begin(trigger)

    def begin(self, trigger: Event) -> None:
        """Stand before the first step, anchored at this trigger."""
        self.anchor = trigger.occurred_at
        self.anchored_by = trigger
        self.trigger = trigger
        self.newest = trigger  # that was taken, be it for its words or only for its time
        self.step = 0
        self.waited = False
        self.unsettled = False
        self.gate_passed = False
        self.held_through: int | None = None
        self.opened_at: int | None = None
        self.stuck = False
        self.chosen: int | None = None
        self.begun, self.ends, self.zone, self.known = 0, 0, "", 0  # of the current wait
        self.due = trigger.appended_at
        self.wake_at = trigger.appended_at

    @property
    def moment(self) -> int:
        """When it goes on: by itself, or through its open gate."""
        return self.wake_at if self.opened_at is None else self.opened_at
