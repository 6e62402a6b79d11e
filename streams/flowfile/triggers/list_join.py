"""`trigger: { list.join: newsletter }`: somebody subscribes to a list."""

from __future__ import annotations

from schemas.catalog import words_of
from schemas.conditions import Compare, EventMatch
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader
from streams.flowfile.triggers.start import LATER, Start

EVENT = "list_subscribed"


def read(reader: Reader, node: Node | None) -> Start:
    """The event `list_subscribed` with this `list_id`."""
    found = reader.fields(node, "`trigger`", required=("list.join",), later=LATER)
    name = reader.text(found.get("list.join"), "`list.join`")
    if name is not None and not name.strip():
        reader.note("empty", found["list.join"], "`list.join` must name a list")
    where = Compare(word="list_id", kind="text", operator="eq", operand=name or "")
    return Start(EventMatch(event=EVENT, where=where), words_of(EVENT))
