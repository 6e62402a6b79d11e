"""`trigger: { date: { fact: birthday, before: 3d, at: "09:00", yearly: true } }`, or a date that an event names."""

from __future__ import annotations

from schemas.catalog import Word
from schemas.conditions import EventMatch
from schemas.flow import DateTrigger
from schemas.steps import WaitUntilDate
from streams.flowfile.calendar import DISTANCE_KEYS, distance
from streams.flowfile.comparisons import Scope
from streams.flowfile.conditions import condition
from streams.flowfile.events import named_event
from streams.flowfile.nodes import Mapping, Node
from streams.flowfile.reader import TRIGGER, Reader
from streams.flowfile.step_kinds.wait import DATED
from streams.flowfile.triggers.start import LATER, MOMENT_WORDS, Start
from streams.flowfile.values import reference

EVENT = "date_reached"
WORDS = MOMENT_WORDS | {"date": Word(("date",), "text")}
FIRST_WAIT = "trigger:date"  # label of the wait before all steps


def read(reader: Reader, node: Node | None) -> Start:
    """A fact of the person, whose moments the engine waits for; or an event and one of its words."""
    found = reader.fields(node, "`trigger`", required=("date",), later=LATER)
    body = found.get("date")
    if isinstance(body, Mapping) and "event" in body.entries:
        return _of_event(reader, body)
    dated = reader.fields(body, "`date`", required=("fact",), optional=(*DISTANCE_KEYS, "yearly"))
    far = distance(reader, dated)
    appointment = DateTrigger(
        fact=reader.name(dated.get("fact"), "`fact`"),
        span=far.span,
        side=far.side,
        at_ms=far.at_ms,
        yearly=reader.boolean(dated.get("yearly"), "`yearly`"),
    )
    return Start(EventMatch(event=EVENT), WORDS, appointment=appointment)


def _of_event(reader: Reader, body: Mapping) -> Start:
    """The trigger is the event, and the flow waits for the date first. One that is over by then is `date_past`."""
    found = reader.fields(body, "`date`", required=("event", "word"), optional=("source", "words", *DISTANCE_KEYS))
    named = named_event(reader, found, condition)
    date = reference(reader, found.get("word"), "`word`", Scope(named.words, TRIGGER, event=named.match), kinds=DATED)
    far = distance(reader, found)
    wait = WaitUntilDate(
        label=FIRST_WAIT, date=date, span=far.span, side=far.side, at_ms=far.at_ms, when_past="stop", next=0
    )
    return Start(named.match, named.words, first_wait=wait)
