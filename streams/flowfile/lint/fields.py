"""`field_not_sent`: a word that the catalog declares and that no source of the flow ever sends (S4-09)."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.conditions import EventMatch
from schemas.connectors import lacking
from streams.flowfile.lint.subject import Note, Subject
from streams.flowfile.nodes import Listing, Mapping, Node, Scalar, child
from streams.flowfile.reader import TRIGGER, listed


def field_not_sent(subject: Subject, note: Note) -> None:
    """Each place that names such a word: bare beside its event, `trigger.word` anywhere."""
    trigger = subject.flow.trigger
    where = child(child(subject.root, "entry"), "where")
    for word in sorted(_never_sent(trigger)):
        for place in [*_named(where, word), *_named(subject.root, TRIGGER + word)]:
            _note(note, place, word, trigger)
    rules = child(subject.root, "exit")
    for rule, node in zip(subject.flow.exits, rules.items if isinstance(rules, Listing) else (), strict=False):
        if rule.when is not None:
            when = child(node, "when")
            for word in sorted(_never_sent(rule.when)):
                for place in [*_named(child(when, "where"), word), *_named(child(when, "match"), word)]:
                    _note(note, place, word, rule.when)


def _note(note: Note, place: Node, word: str, event: EventMatch) -> None:
    message = f"{listed(event.sources)} never sends `{word}` with `{event.event}`, so nothing would ever satisfy this"
    note("field_not_sent", place, message)


def _never_sent(event: EventMatch) -> frozenset[str]:
    """What none of the named sources sends. Where no source is named, anything may come."""
    missing = [lacking(source, event.event) for source in event.sources]
    return frozenset.intersection(*missing) if missing else frozenset()


def _named(node: Node | None, text: str) -> Iterator[Node]:
    """Every key and value that is this text, in the order of the file."""
    if isinstance(node, Scalar):
        if node.text == text:
            yield node
    elif isinstance(node, Listing):
        for item in node.items:
            yield from _named(item, text)
    elif isinstance(node, Mapping):
        for key, value in node.entries.values():
            yield from _named(key, text)
            yield from _named(value, text)
