"""Reading: what a record of the profile log says, as far as the core wants to know.

For example:

    a view, and no flow looks at views      -> who, when, and what to know its copies by; its words stay undecoded
    a checkout, and a flow begins with it   -> all its words, because messages may repeat any of them
    an order, and flows only end with it    -> the words that their exit rules ask for
"""

from __future__ import annotations

from schemas import codec
from schemas.catalog import short_name
from schemas.instants import from_datetime
from schemas.limits import RECORD_BYTES_MAX
from streams.program import Program
from streams.unit import Record
from streams.verdict import Trigger
from streams.words import select


def read(program: Program, record: Record) -> Trigger:
    """The event, with its own time. Raises Undecodable for what is no event, or has words that no state can hold."""
    value = record.value
    if len(value) > RECORD_BYTES_MAX:
        raise codec.Undecodable(f"the record has {len(value)} bytes")
    event = codec.decode_event(value)
    type_ = short_name(event.type)
    try:
        occurred_at = from_datetime(event.time)
    except OverflowError as error:
        raise codec.Undecodable(str(error)) from error
    parts = program.parts.get(type_)
    if parts is None:
        return Trigger(event, type_, occurred_at, record.offset)
    words = select(event, parts)
    return Trigger(event, type_, occurred_at, record.offset, words, codec.packed_size(words))
