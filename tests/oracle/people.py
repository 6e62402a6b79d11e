"""What the interpreter keeps: promises of sources, what is known of a profile, its enrollments, and its orders."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.oracle.agreement import SUPPRESSING
from tests.oracle.conditions import Past, Stated, known
from tests.oracle.flowfile import Flow, Gate
from tests.oracle.records import Event, Watermark
from tests.oracle.waits import PLACES, zone

DEDUPE_HORIZON_MS = 14 * 86_400_000
NEVER = 1 << 62
OUTCOMES = ("accepted", "unknown", "rejected", "failed", "expired", "recalled")
REMEMBERED_MS = 48 * 3_600_000  # at least: semantics 8.14; nothing is reported later here
CONFIRMING = ("accepted", "unknown")
NOT_GONE = ("rejected", "failed", "expired", "recalled")


class Command(NamedTuple):
    """An order to send one message. ``decided_at`` is in milliseconds since the epoch."""

    command_id: str
    enrollment_id: str
    profile_id: str
    flow: str
    step: str
    visit: int
    decided_at: int


class Decision(NamedTuple):
    """What became of somebody in a flow at an instant, and why."""

    profile_id: str
    flow: str
    outcome: str
    reason: str
    step: str
    at: int


class Report(NamedTuple):
    """An event of its own that a flow has reported."""

    profile_id: str
    event: str
    properties: tuple[tuple[str, Any], ...]
    at: int
    id: str
    depth: int


class Message:
    """A message that was ordered. ``run`` is its enrollment as it was then; ``outcome`` what its receipt says."""

    def __init__(self, command: Command, run: Enrollment, *, not_after: int, wish: Any) -> None:
        self.command, self.run, self.not_after = command, copy.copy(run), not_after
        self.group, self.channel, self.storefront = wish.group, wish.channel, wish.storefront
        self.message_class, self.wish = wish.message_class, wish
        self.outcome: str | None = None
        self.taken_back = False
        self.regretted = False
        self.judged: tuple[str, int] | None = None  # why, and when

    @property
    def decided_at(self) -> int:
        """When it was."""
        return self.command.decided_at

    @property
    def takes_room(self) -> bool:
        """Semantics 8.9, 8.12: unless it is transactional, or did not go after all."""
        return self.message_class != "transactional" and self.outcome not in NOT_GONE


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

    def __init__(self, id: str = "") -> None:  # noqa: A002 - as everywhere
        self.id = id
        self.position = 0.0  # of the record that is being processed
        self.history: list[Event] = []
        self.duplicates = 0
        self.too_old = 0
        self.poison: set[int] = set()  # where its unreadable records stand that nobody has dealt with
        self.messages: list[Message] = []
        self.entered = 0
        self.stated: list[Stated] = []

    def seen_by(self, shadow: str | None) -> Profile:
        """As a flow in shadow sees them, or any other one, in the order in which all was said: semantics 12.4."""
        seen = copy.copy(self)
        seen.stated = [one for one in self.stated if one.shown_by in (None, shadow)]
        return seen

    @property
    def phone(self) -> str | None:
        """Of all numbers the one that was said last."""
        return self.address("phone")

    def address(self, kind: str) -> str | None:
        """Of all that were said the last, of one instant the greater: semantics 7.1."""
        said = [(event.occurred_at, getattr(event, kind)) for event in self.history if getattr(event, kind)]
        return max(said)[1] if said else None

    def past(self) -> list[Past]:
        """As conditions see it."""
        return [Past(one.name, one.source, one.occurred_at, one.position, one.id, one.words) for one in self.history]

    def fact(self, name: str) -> Any:
        """What it is by now."""
        return known(name, self.past(), self.stated)

    def stated_at(self, name: str) -> int | None:
        """When the statement was made that counts."""
        said = [
            (one.occurred_at, one.id, one.words[name]) for one in self.history
            if one.name in ("profile_updated", "profile_identified") and name in one.words
        ]  # fmt: skip
        said += [(one.at, "", one.value) for one in self.stated if one.name == name]
        newest = sorted(said, key=lambda one: one[:2])[-1] if said else None
        return newest[0] if newest is not None and newest[2] is not None else None

    def zone(self, flow: Flow, storefront: str | None, zones: Mapping[str, str], *, of_hours: bool = False) -> str:
        """Where this person is, as far as the flow asks; for the hours of messages as far as anybody says."""
        stated, country = self.fact("timezone"), self.fact("country")
        asked = flow.timezone._replace(sources=PLACES) if of_hours else flow.timezone
        return zone(asked, self.phone, stated=stated, country=country, storefront=storefront, zones=zones)

    def bounced(self, channel: str) -> list[int]:
        """When receipts have said that this channel leads nowhere."""
        of = {one.command.command_id: one for one in self.messages if one.channel == channel}
        rejected = [
            (one, of[one.words["command_id"]]) for one in self.history
            if one.name == "message_reported" and one.words.get("reason") in SUPPRESSING
            and one.words.get("command_id") in of and one.words.get("outcome") == "rejected"
        ]  # fmt: skip
        return [
            one.occurred_at for one, message in rejected
            if 0 < one.appended_at - message.decided_at <= REMEMBERED_MS
        ]  # fmt: skip

    def report(self, event: Event) -> Message | None:
        """A receipt: the first counts, and after one that confirms only `rejected`. The message, if this one counts."""
        said = event.words.get("outcome")
        message = next((one for one in self.messages if one.command.command_id == event.words.get("command_id")), None)
        if message is None or said not in OUTCOMES or event.appended_at - message.decided_at > REMEMBERED_MS:
            return None
        if message.outcome is None or (message.outcome in CONFIRMING and said == "rejected"):
            message.outcome = said
            return message
        return None

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
        self.number = 0  # of all that this person has entered
        self.again = False  # only a message that has expired, to be judged once more
        self.depth = 0  # how many flows have handed the person on to this one without a wait between
        self.counts_from: int | None = None
        self.exposed: set[str | None] = set()
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
        self.waiting: str | None = None  # for hours or room, at a message
        self.gate_at: int | None = None  # the step that was the last gate, since the last wait
        self.once_more = False  # is this message judged again?
        self.patience: int | None = None  # until when for room
        self.held_ms = 0  # at its gate, since it was first judged again
        self.chosen: int | None = None
        self.begun, self.ends, self.zone, self.known = 0, 0, "", 0  # of the current wait
        self.due = trigger.appended_at
        self.wake_at = trigger.appended_at

    @property
    def moment(self) -> int:
        """When it goes on: by itself, or through its open gate."""
        return self.wake_at if self.opened_at is None else self.opened_at
