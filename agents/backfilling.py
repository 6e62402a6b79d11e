"""Backfilling: whom a file of old events would have brought into a flow, and who of them is still to be reminded.

The file is played on the real core, with one wait without end in place of the flow's steps. Who is still in it at the
end has done nothing that ends the flow, and is in it by their newest trigger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from agents.replay_file import EventLine
from schemas import codec
from schemas.event import Event
from schemas.flow import Flow
from schemas.profile import Enrollment, Profile
from schemas.span import Span
from schemas.steps import Stop, Wait
from streams.arming import arm
from streams.partition import Partition, Record
from streams.program import build

RECORDS_AT_ONCE = 500
WITHOUT_END_MS = 1 << 50  # thirty thousand years

#: Of whom a plan knows nothing but when they began: their zone is that of the flow.
SOMEBODY = Profile(tenant="", profile_id="")
Outcome = Literal["scheduled", "due_now", "left_out"]
OUTCOMES: tuple[Outcome, ...] = ("scheduled", "due_now", "left_out")
Anchor = Literal["occurred_at", "now"]


class Candidate(NamedTuple):
    """Somebody who would enter by this event, and when they would first have something to do."""

    profile: bytes
    event: bytes
    occurred_at: int
    due_at: int
    outcome: Outcome


def candidates(
    flow: Flow, lines: Iterable[EventLine], *, anchor: Anchor, max_overdue_ms: int | None, now: int
) -> list[Candidate]:
    """In the order of their events. `now` is when the backfill runs; events after it are passed over."""
    records = sorted(
        (
            Record(0, line.accepted.occurred_at, line.accepted.key, _unmarked(line))
            for line in lines
            if line.accepted.occurred_at <= now
        ),
        key=lambda record: record.appended_at,
    )
    found = [
        _candidate(flow, key, records[one.trigger_offset], one, anchor=anchor, max_overdue_ms=max_overdue_ms, now=now)
        for key, one in _live(flow, records)
    ]
    return sorted(found, key=lambda one: (one.occurred_at, one.profile, one.event))


def count(found: Iterable[Candidate]) -> dict[Outcome, int]:
    """How many of each outcome."""
    counts = Counter(one.outcome for one in found)
    return {outcome: counts[outcome] for outcome in OUTCOMES}


def _live(flow: Flow, records: list[Record]) -> Iterator[tuple[bytes, Enrollment]]:
    endless = (Wait(label="wait", span=Span(ms=WITHOUT_END_MS), next=1), Stop(label="end", reason="done"))
    standing = replace(flow, status="live", steps=endless, retrigger="restart", exit_check="continuous")
    store: dict[bytes, bytes] = {}
    partition = Partition(
        program=build([standing]), topic="backfill", number=0, clock="carried", incarnation="backfill", load=store.get,
        record=None,
    )  # fmt: skip
    for first in range(0, len(records), RECORDS_AT_ONCE):
        some = records[first : first + RECORDS_AT_ONCE]
        partition.process([replace(one, offset=first + place) for place, one in enumerate(some)])
        store.update(partition.snapshot().states)
        partition.settled()
    for key, state in store.items():
        for enrollment in codec.unpack_profile(state, key=key).enrollments:
            yield key, enrollment


def _unmarked(line: EventLine) -> bytes:
    """The event as one that may enroll: here it is asked for, whatever the file calls historical."""
    if not line.document.get("backfill"):
        return line.accepted.value
    return codec.encode(msgspec.structs.replace(codec.decode(line.accepted.value, Event), backfill=False))


def _candidate(
    flow: Flow, profile: bytes, record: Record, entered: Enrollment, *, anchor: Anchor, max_overdue_ms: int | None,
    now: int,
) -> Candidate:  # fmt: skip
    due_at = _first_due_at(flow, entered, base_at=now if anchor == "now" else entered.anchor_at)
    outcome: Outcome = "scheduled" if due_at > now else "due_now"
    if max_overdue_ms is not None and now - due_at > max_overdue_ms:
        outcome = "left_out"
    return Candidate(profile, record.value, entered.anchor_at, due_at, outcome)


def _first_due_at(flow: Flow, entered: Enrollment, *, base_at: int) -> int:
    """When the waits before the first other step are over; at once where there are none. By the zone of the flow."""
    step, due_at = 0, base_at
    while isinstance(waiting := flow.steps[step], Wait):
        arm(flow, entered, SOMEBODY, step=step, base_at=due_at, now=due_at)
        step, due_at = waiting.next, entered.due_at
    return due_at
