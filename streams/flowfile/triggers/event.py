"""`trigger: { event: checkout_started, source: shop.site }`"""

from __future__ import annotations

from streams.flowfile.conditions import condition
from streams.flowfile.events import named_event
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader
from streams.flowfile.triggers.start import LATER, Start


def read(reader: Reader, node: Node | None) -> Start:
    """An event of a connector; its `where` stands beside the trigger."""
    found = reader.fields(node, "`trigger`", required=("event",), optional=("source", "words"), later=LATER)
    named = named_event(reader, found, condition)
    return Start(named.match, named.words)
