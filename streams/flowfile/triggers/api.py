"""`trigger: { api: win_a_mug, words: { code: text } }`: somebody's program asks for it, by the event `api_call`."""

from __future__ import annotations

from schemas.catalog import Word, words_of
from schemas.conditions import Compare, EventMatch
from streams.flowfile.events import declared_words
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader
from streams.flowfile.triggers.start import LATER, Start

EVENT = "api_call"


def read(reader: Reader, node: Node | None) -> Start:
    """The event `api_call` with this `name`; its own words stand in `properties`."""
    found = reader.fields(node, "`trigger`", required=("api",), optional=("words",), later=LATER)
    name = reader.name(found.get("api"), "`api`")
    declared = declared_words(reader, found.get("words"), EVENT)
    words = words_of(EVENT) | {word: Word(("properties", word), kind) for word, kind in declared}
    where = Compare(word="name", kind="text", operator="eq", operand=name)
    return Start(EventMatch(event=EVENT, where=where, words=declared), words)
