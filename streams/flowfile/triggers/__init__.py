"""The kinds of triggers, one module each, and one line each in this table: how they are read from a flow file."""

from __future__ import annotations

from collections.abc import Callable

from schemas.conditions import EventMatch
from streams.flowfile.nodes import Mapping, Node, cut
from streams.flowfile.reader import Reader, listed
from streams.flowfile.triggers import api, date, event, list_join, schedule
from streams.flowfile.triggers.start import LATER, Start

TRIGGERS: dict[str, Callable[[Reader, Node | None], Start]] = {
    "event": event.read,
    "list.join": list_join.read,
    "api": api.read,
    "date": date.read,
    "schedule": schedule.read,
}
_BESIDE = ("source", "words")  # which say nothing of the kind


def trigger(reader: Reader, node: Node | None) -> Start:
    """Compile `trigger`, of whatever kind it is."""
    keys = node.entries if isinstance(node, Mapping) else {}
    kinds = [kind for kind in TRIGGERS if kind in keys]
    strange = next((key for key in keys if key not in (*TRIGGERS, *_BESIDE)), None)
    if strange is not None and not kinds:
        message = f"there is no kind of trigger `{cut(strange)}`, only {listed(TRIGGERS)}"
        reader.unknown("unknown_key", keys[strange][0], message, strange, TRIGGERS, LATER)
        return Start(EventMatch(event=""), None)
    if len(kinds) > 1:
        message = f"a flow begins in one way, and here are `{kinds[0]}` and `{kinds[1]}`"
        reader.note("bad_choice", keys[kinds[1]][0], message, advice="Keep one of them; another flow has the other.")
    return TRIGGERS[kinds[0] if kinds else "event"](reader, node)
