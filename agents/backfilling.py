"""Backfilling: whom a file of old events would bring into a flow, by which event; and what the changelog knows of them.

The file is played on the real core, with one wait without end in place of the flow's steps. Who is still in it at the
end has done nothing that ends the flow, and is in it by their newest trigger. Filter and re-entry are not asked here:
they are judged on what the worker knows, not on what the file tells (`agents.foretelling`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from agents.cluster_view import Offsets
from agents.replay_file import EventLine
from agents.topic_reader import read_stretches
from schemas import codec
from schemas.codec import PARTITION_KEY
from schemas.decision import Decision
from schemas.event import Event
from schemas.flow import Flow, Reentry
from schemas.profile import PartitionRecord
from schemas.span import Span
from schemas.steps import Stop, Wait
from schemas.topics import Topic
from streams.partition import Partition, Record
from streams.plugins import NO_PLUGINS, Name, Plugin
from streams.program import build

RECORDS_AT_ONCE = 500
WITHOUT_END_MS = 1 << 50  # thirty thousand years


class Candidate(NamedTuple):
    """Somebody who would enter by this event."""

    profile: bytes
    event: bytes
    occurred_at: int


class Chosen(NamedTuple):
    """What the file says: who may enter, and why each other one whom the flow looked at may not."""

    candidates: list[Candidate]
    refused: list[str]


class Known(NamedTuple):
    """What the worker has written down of a partition: its own record, and the newest states of some people."""

    record: PartitionRecord | None
    states: dict[bytes, bytes]


def choose(flow: Flow, lines: Iterable[EventLine], *, now: int, plugins: Mapping[Name, Plugin] = NO_PLUGINS) -> Chosen:
    """In the order of their events. `now` is when the backfill runs; events after it are passed over."""
    records = sorted(
        (
            Record(0, line.accepted.occurred_at, line.accepted.key, _unmarked(line))
            for line in lines
            if line.accepted.occurred_at <= now
        ),
        key=lambda record: record.appended_at,
    )
    store: dict[bytes, bytes] = {}
    last: dict[tuple[bytes, str], Decision] = {}  # by person, and by enrollment if there is one
    for key, decision in _played(flow, records, store, plugins):
        last[key, decision.enrollment_id or ""] = decision
    found = [
        Candidate(key, records[one.trigger_offset].value, one.anchor_at)
        for key, state in store.items()
        for one in codec.unpack_profile(state, key=key).enrollments
    ]
    entered = {key for key, enrollment in last if enrollment}
    refused = [
        one.reason for (key, _), one in last.items()
        if one.outcome == "ended" or (one.outcome == "refused" and key not in entered)
    ]  # fmt: skip
    return Chosen(sorted(found, key=lambda one: (one.occurred_at, one.profile, one.event)), refused)


async def known_of(kafka: str, topic: Topic, number: int, offsets: Offsets, wanted: Collection[bytes]) -> Known:
    """Read a changelog partition through, and keep what concerns these people."""
    newest: dict[bytes, bytes] = {}
    async for one in read_stretches(kafka, topic.name, {number: (offsets.first, offsets.end)}):
        if one.key != PARTITION_KEY and one.key not in wanted:
            continue
        if one.value is None:
            newest.pop(one.key, None)
        elif one.key not in newest or codec.rank(one.key, one.value) >= codec.rank(one.key, newest[one.key]):
            newest[one.key] = one.value
    record = newest.pop(PARTITION_KEY, None)
    return Known(None if record is None else codec.unpack_partition(record), newest)


def _played(
    flow: Flow, records: list[Record], store: dict[bytes, bytes], plugins: Mapping[Name, Plugin]
) -> Iterator[tuple[bytes, Decision]]:
    """What is decided; `store` holds the states in the end."""
    endless = (Wait(label="wait", span=Span(ms=WITHOUT_END_MS), next=1), Stop(label="end", reason="done"))
    standing = replace(
        flow, status="live", steps=endless, retrigger="restart", exit_check="continuous", filter=None, reentry=Reentry()
    )
    partition = Partition(
        program=build([standing], plugins=plugins), topic="backfill", number=0, clock="carried",
        incarnation="backfill", load=store.get, record=None,
    )  # fmt: skip
    for first in range(0, len(records), RECORDS_AT_ONCE):
        some = records[first : first + RECORDS_AT_ONCE]
        outputs = partition.process([replace(one, offset=first + place) for place, one in enumerate(some)])
        store.update(partition.snapshot().states)
        partition.settled()
        yield from ((key, codec.decode(value, Decision)) for key, value in outputs.decisions)


def _unmarked(line: EventLine) -> bytes:
    """The event as one that may enroll: here it is asked for, whatever the file calls historical."""
    if not line.document.get("backfill"):
        return line.accepted.value
    return codec.encode(msgspec.structs.replace(codec.decode(line.accepted.value, Event), backfill=False))
