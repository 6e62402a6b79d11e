"""`field_not_sent` and `event_not_sent`: what the catalog declares and no source that is named ever sends (S4-09)."""

from __future__ import annotations

from schemas.conditions import EventMatch
from schemas.connectors import lacking, unreported
from streams.flowfile.findings import Findings
from streams.flowfile.lint.subject import Subject
from streams.flowfile.reader import listed

_VAIN = "so nothing would ever satisfy this"


def field_not_sent(subject: Subject, findings: Findings) -> None:
    """Each place that asks for such a word, of whatever event: bare beside its event, `trigger.word` anywhere."""
    trigger = subject.flow.trigger
    of_trigger = _never_sent(trigger)
    last, of_last = trigger, of_trigger  # thousands of words may be asked of one event, and the trigger's in between
    for node, event, word in subject.events:
        is_trigger = event.sources is trigger.sources and event.event == trigger.event
        if not is_trigger and event is not last:
            last, of_last = event, _never_sent(event)
        if word in (of_trigger if is_trigger else of_last):
            findings.note(
                "field_not_sent", node, f"{listed(event.sources)} never sends `{word}` with `{event.event}`, {_VAIN}"
            )


def event_not_sent(subject: Subject, findings: Findings) -> None:
    """Each place that names such an event: as the trigger, in an exit rule, waited for, or counted."""
    for node, event, word in subject.events:
        if word is None and event.sources and all(event.event in unreported(source) for source in event.sources):
            findings.note("event_not_sent", node, f"{listed(event.sources)} never reports `{event.event}`, {_VAIN}")


def _never_sent(event: EventMatch) -> frozenset[str]:
    """What none of the named sources sends. Where no source is named, anything may come."""
    missing = [lacking(source, event.event) for source in event.sources]
    return frozenset.intersection(*missing) if missing else frozenset()
