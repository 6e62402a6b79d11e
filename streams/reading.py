"""Reading: what a record of the profile log says, as far as the core wants to know.

For example:

    a view, and no flow looks at views      -> who, when, and what to know its copies by; its words stay undecoded
    an order, and flows end with it         -> the words that their exit rules ask for
    a checkout that begins a flow           -> all its words, because messages may repeat any of them
"""

from __future__ import annotations

from typing import Any

from schemas import codec
from schemas.catalog import short_name
from schemas.event import LoggedEvent
from schemas.instants import from_datetime
from schemas.limits import RECORD_BYTES_MAX
from streams.interest import Interest
from streams.program import Program
from streams.unit import Record
from streams.verdict import Trigger
from streams.words import select


def event_of(record: Record) -> tuple[LoggedEvent, str, int]:
    """The event, its short type and its own time. Raises Undecodable for what is no event."""
    value = record.value
    if len(value) > RECORD_BYTES_MAX:
        raise codec.Undecodable(f"the record has {len(value)} bytes")
    event = codec.decode_event(value)
    try:
        return event, short_name(event.type), from_datetime(event.time)
    except OverflowError as error:
        raise codec.Undecodable(str(error)) from error


def trigger_of(program: Program, event: LoggedEvent, type_: str, occurred_at: int, offset: int) -> Trigger:
    """With the words that tell what to do with it. Raises Undecodable when they stand in what is no JSON."""
    interest = program.interests.get(type_)
    parts: dict[str, Any] = {}
    words = select(event, interest.asked, parts) if interest is not None and interest.asked else {}
    return Trigger(event, type_, occurred_at, offset, words, parts=parts)


def read_whole(trigger: Trigger, interest: Interest) -> None:
    """All words of an event that begins something. Raises Undecodable."""
    trigger.words |= select(trigger.event, interest.others, trigger.parts)
    trigger.packed = codec.pack_words(trigger.words)
