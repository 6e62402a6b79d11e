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
from schemas.instants import from_datetime
from schemas.limits import RECORD_BYTES_MAX
from streams.interest import Interest
from streams.program import Program
from streams.unit import Record
from streams.verdict import Trigger
from streams.words import select


def read(program: Program, record: Record) -> Trigger:
    """The event, its own time, and the words that tell what to do with it. Raises Undecodable for what is no event."""
    value = record.value
    if len(value) > RECORD_BYTES_MAX:
        raise codec.Undecodable(f"the record has {len(value)} bytes")
    event = codec.decode_event(value)
    type_ = short_name(event.type)
    try:
        occurred_at = from_datetime(event.time)
    except OverflowError as error:
        raise codec.Undecodable(str(error)) from error
    interest = program.interests.get(type_)
    if interest is None:
        return Trigger(event, type_, occurred_at, record.offset, {})
    parts: dict[str, Any] = {}
    return Trigger(event, type_, occurred_at, record.offset, select(event, interest.asked, parts), parts=parts)


def read_whole(trigger: Trigger, interest: Interest) -> None:
    """All words of an event that begins something. Raises Undecodable."""
    trigger.words = select(trigger.event, interest.whole, trigger.parts)
    trigger.words_bytes = codec.packed_size(trigger.words)
