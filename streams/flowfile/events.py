"""An event as a flow file names it: type, source, words of one's own, `where` and `match`."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from typing import NamedTuple

from msgspec.structs import replace

from schemas.catalog import BY_SHORT, TYPES, Kind, Word, words_of
from schemas.conditions import Condition, EventMatch
from schemas.limits import TYPE_LENGTH_MAX
from streams.flowfile.comparisons import OPERATORS, Scope, trigger_word
from streams.flowfile.nodes import Listing, Mapping, Node, cut, shown
from streams.flowfile.reader import TRIGGER, EventAsked, Reader

#: `streams.flowfile.conditions.condition`, for what stands below it.
Compile = Callable[[Reader, Node | None, str, Scope], Condition]

_KINDS: tuple[Kind, ...] = tuple(OPERATORS)


class Named(NamedTuple):
    """An event, and the words that may be asked of it; None when it is not known."""

    match: EventMatch
    words: MappingOf[str, Word] | None


def named_event(reader: Reader, found: MappingOf[str, Node], compile_: Compile) -> Named:
    """Compile the keys `event`, `source`, `words` and `where` of a mapping that has been read."""
    event, words = _event(reader, found.get("event"))
    declared = _declared(reader, found.get("words"), event)
    if words is not None:
        words = words | {name: Word(("properties", name), kind) for name, kind in declared}
    match = EventMatch(event=event, sources=_sources(reader, found.get("source")), words=declared)
    if words is not None:
        reader.events.append(EventAsked(found["event"], match))
    if "where" in found:
        match = replace(match, where=compile_(reader, found["where"], "`where`", Scope(words, event=match)))
    return Named(match, words)


def matched(reader: Reader, node: Node | None, named: Named, trigger: Scope) -> tuple[tuple[str, str], ...]:
    """`match: { checkout_id: trigger.checkout_id }`: which words must be equal."""
    if node is None:
        return ()
    reader.asks(node, "match")
    if not isinstance(node, Mapping) or not node.entries:
        expected = f"`match` must be a mapping such as {{ order_id: {TRIGGER}order_id }}, not {shown(node)}"
        reader.note("wrong_shape", node, expected)
        return ()
    pairs: list[tuple[str, str]] = []
    event = named.words
    for word, (place, value) in node.entries.items():
        ours = trigger_word(reader, place, "a key of `match`", Scope(event, event=named.match))
        theirs = trigger_word(reader, value, f"`{cut(word)}`", trigger)
        pairs.append((ours, theirs))
        if event and trigger.words and ours in event and theirs in trigger.words:
            _same_kind(reader, value, (ours, event[ours]), (theirs, trigger.words[theirs]))
    return tuple(pairs)


def _same_kind(reader: Reader, place: Node, event: tuple[str, Word], trigger: tuple[str, Word]) -> None:
    if event[1].kind != trigger[1].kind:
        message = f"`{event[0]}` is {event[1].kind} and `{TRIGGER}{trigger[0]}` is {trigger[1].kind}; they never match"
        reader.note("wrong_kind", place, message, advice=f"Match it with a word that is {event[1].kind}.")


def _event(reader: Reader, node: Node | None) -> tuple[str, dict[str, Word] | None]:
    """The short name of an event type and its words; no words when it is not known."""
    reader.asks(node, "event")
    name = reader.text(node, "`event`")
    if node is None or name is None:
        return "", None
    is_own = name.startswith("custom_") and name.isidentifier()
    if name in BY_SHORT or (is_own and len(name) <= TYPE_LENGTH_MAX):
        return name, words_of(name)
    if is_own:
        message = f"the name of an event has at most {TYPE_LENGTH_MAX} characters, not {len(name)}"
        reader.note("unknown_event", node, message, advice="Give it a shorter name.")
    elif name in TYPES:
        message = f"events go by their short names here, not `{name}`"
        reader.note("unknown_event", node, message, suggestion=TYPES[name].short)
    elif name.startswith("custom.") and (meant := name.replace(".", "_")).isidentifier():
        reader.note("unknown_event", node, f"events go by their short names here, not `{cut(name)}`", suggestion=meant)
    else:
        reader.unknown("unknown_event", node, f"there is no event `{cut(name)}`", name, BY_SHORT)
    return name, None


def _declared(reader: Reader, node: Node | None, event: str) -> tuple[tuple[str, Kind], ...]:
    if node is not None and event and not event.startswith("custom_"):
        message = f"the words of `{cut(event)}` are declared already"
        reader.note("out_of_place", node, message, advice="Leave `words` out; only a `custom_` event takes them.")
        return ()
    return declared_words(reader, node, event)


def declared_words(reader: Reader, node: Node | None, event: str) -> tuple[tuple[str, Kind], ...]:
    """`words: { plan: text, amount: money }`: what stands in the properties of an event of one's own."""
    if node is None:
        return ()
    reader.asks(node, "words")
    if not isinstance(node, Mapping) or not node.entries:
        reader.note("wrong_shape", node, f"`words` must be a mapping such as {{ plan: text }}, not {shown(node)}")
        return ()
    known = words_of(event)
    declared: list[tuple[str, Kind]] = []
    for name, (place, kind) in node.entries.items():
        if name in known or not name.isidentifier():
            why = "is a word of every event" if name in known else "is no name: letters, digits and `_`"
            reader.note("bad_name", place, f"`{cut(name)}` {why}", advice="Choose another name.")
        mistakes = len(reader.findings)
        declared.append((name, reader.choice(kind, f"the kind of `{cut(name)}`", _KINDS)))
        if event and len(reader.findings) == mistakes:
            _one_kind(reader, kind, event, declared[-1])
    return tuple(sorted(declared))


def _one_kind(reader: Reader, place: Node, event: str, word: tuple[str, Kind]) -> None:
    """What is sent has one kind, so one of two that are declared would be unknown for ever."""
    name, kind = word
    first, line = reader.declared.setdefault((event, name), (kind, place.line))
    if first != kind:
        message = f"`{cut(name)}` of `{cut(event)}` is {first} on line {line} and {kind} here; a word has one kind"
        reader.note("wrong_kind", place, message, suggestion=first)


def _sources(reader: Reader, node: Node | None) -> tuple[str, ...]:
    reader.asks(node, "sources")
    nodes = reader.items(node, "`source`") if isinstance(node, Listing) else () if node is None else (node,)
    return tuple(reader.source(part, "a source") for part in nodes)
