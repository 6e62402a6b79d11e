"""`wait`: for how long, until a time of the day, or until a date."""

from __future__ import annotations

from typing import Literal

from schemas.catalog import Kind
from schemas.steps import Wait, WaitUntil, WaitUntilDate
from streams.flowfile.calendar import DISTANCE_KEYS, distance, span, time_of_day, weekdays
from streams.flowfile.nodes import Mapping, Node
from streams.flowfile.steps import Place, Steps
from streams.flowfile.values import reference

DATED: tuple[Kind, ...] = ("date", "instant", "text")  # text such as 2026-05-01, as platforms write dates
_LATER = frozenset({"local", "window"})
_WHEN_PAST: tuple[Literal["go_on", "stop"], ...] = ("go_on", "stop")


def read(steps: Steps, body: Node, place: Place) -> None:
    """`wait: { for: 1d12h }`, `{ until: "09:00", on: [mon-fri] }`, `{ until_date: fact.birthday, before: 3d }`"""
    keys = body.entries if isinstance(body, Mapping) else {}
    if "until_date" in keys:
        _until_date(steps, body, place)
    elif "until" in keys:
        found = steps.reader.fields(body, "`wait` with `until`", required=("until",), optional=("on",), later=_LATER)
        at_ms = time_of_day(steps.reader, found.get("until"), "`until`")
        days = weekdays(steps.reader, found.get("on"), "`on`")
        steps.add(
            place, (place.after,), lambda after: WaitUntil(label=place.label, at_ms=at_ms, weekdays=days, next=after)
        )
    else:
        found = steps.reader.fields(body, "`wait`", required=("for",), later=_LATER)
        length = span(steps.reader, found.get("for"), "`for`")
        steps.add(place, (place.after,), lambda after: Wait(label=place.label, span=length, next=after))


def _until_date(steps: Steps, body: Node, place: Place) -> None:
    reader = steps.reader
    optional = (*DISTANCE_KEYS, "when_past")
    found = reader.fields(body, "`wait` with `until_date`", required=("until_date",), optional=optional, later=_LATER)
    date = reference(reader, found.get("until_date"), "`until_date`", steps.scope, kinds=DATED)
    far = distance(reader, found)
    when_past = reader.choice(found.get("when_past"), "`when_past`", _WHEN_PAST)

    def build(after: int) -> WaitUntilDate:
        return WaitUntilDate(
            label=place.label, date=date, span=far.span, side=far.side, at_ms=far.at_ms, when_past=when_past, next=after
        )

    steps.add(place, (place.after,), build)
