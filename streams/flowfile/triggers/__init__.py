"""The kinds of triggers, one module each, and one line each in this table: how they are read from a flow file."""

from __future__ import annotations

from collections.abc import Callable

from streams.flowfile.nodes import Mapping, Node
from streams.flowfile.reader import Reader
from streams.flowfile.triggers import api, date, event, list_join, schedule
from streams.flowfile.triggers.start import Start

TRIGGERS: dict[str, Callable[[Reader, Node | None], Start]] = {
    "event": event.read,
    "list.join": list_join.read,
    "api": api.read,
    "date": date.read,
    "schedule": schedule.read,
}


def trigger(reader: Reader, node: Node | None) -> Start:
    """Compile `trigger`, of whatever kind it is."""
    keys = node.entries if isinstance(node, Mapping) else {}
    kinds = [kind for kind in TRIGGERS if kind in keys]
    if len(kinds) > 1 and isinstance(node, Mapping):
        message = f"a flow begins in one way; `{kinds[0]}` or `{kinds[1]}`"
        reader.note("bad_choice", node.entries[kinds[1]][0], message)
    return TRIGGERS[kinds[0] if kinds else "event"](reader, node)
