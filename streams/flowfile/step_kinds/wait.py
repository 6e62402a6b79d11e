"""`wait`: for how long, until a time of the day, or until a date."""

from __future__ import annotations

from schemas.span import Span
from schemas.steps import Wait
from streams.flowfile.nodes import Node
from streams.flowfile.steps import Place, Steps

_LATER = frozenset({"until", "until_date", "local", "window"})


def read(steps: Steps, body: Node, place: Place) -> None:
    """`wait: { for: 15m }`"""
    found = steps.reader.fields(body, "`wait`", required=("for",), later=_LATER)
    span = Span(ms=steps.reader.duration(found.get("for"), "`for`"))
    steps.add(place, (place.after,), lambda after: Wait(label=place.label, span=span, next=after))
