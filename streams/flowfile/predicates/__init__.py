"""The predicates on a person, one module each, and one line each in this table: how they are read from a flow file.

`items` stands beside it: it asks about an event, and may so stand where no other predicate may.
"""

from __future__ import annotations

from collections.abc import Callable

from schemas.conditions import Condition
from streams.flowfile.comparisons import Scope
from streams.flowfile.events import Compile
from streams.flowfile.nodes import Node
from streams.flowfile.predicates import consent, event_count, fact, in_flow, last_event, now_between, plugin
from streams.flowfile.predicates import items as items
from streams.flowfile.predicates.items import is_items as is_items
from streams.flowfile.reader import Reader

PREDICATES: dict[str, Callable[[Reader, Node, Scope, Compile], Condition]] = {
    "event_count": event_count.read,
    "last_event": last_event.read,
    "fact": fact.read,
    "in_flow": in_flow.read,
    "consent": consent.read,
    "now_between": now_between.read,
    "plugin": plugin.read,
}
