"""`field_not_sent` and `event_not_sent`: what the catalog declares and no source that is named ever sends (S4-09)."""

from __future__ import annotations

from schemas.conditions import EventMatch
from schemas.connectors import lacking, unreported
from streams.flowfile.lint.subject import Note, Subject
from streams.flowfile.reader import listed

_VAIN = "so nothing would ever satisfy this"


def field_not_sent(subject: Subject, note: Note) -> None:
    """Each place that asks for such a word, of whatever event: bare beside its event, `trigger.word` anywhere."""
    for node, event, word in subject.events:
        if word is not None and word in _never_sent(event):
            note("field_not_sent", node, f"{listed(event.sources)} never sends `{word}` with `{event.event}`, {_VAIN}")


def event_not_sent(subject: Subject, note: Note) -> None:
    """Each place that names such an event: as the trigger, in an exit rule, waited for, or counted."""
    for node, event, word in subject.events:
        if word is None and event.sources and all(event.event in unreported(source) for source in event.sources):
            note("event_not_sent", node, f"{listed(event.sources)} never reports `{event.event}`, {_VAIN}")


def _never_sent(event: EventMatch) -> frozenset[str]:
    """What none of the named sources sends. Where no source is named, anything may come."""
    missing = [lacking(source, event.event) for source in event.sources]
    return frozenset.intersection(*missing) if missing else frozenset()
