"""`trigger: { schedule: { at: "09:00", on: [mon] } }`, or `day: 1` of each month: everybody we know, by the clock."""

from __future__ import annotations

from schemas.conditions import EventMatch
from schemas.flow import ScheduleTrigger
from streams.flowfile.calendar import time_of_day, weekdays
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader
from streams.flowfile.triggers.start import LATER, MOMENT_WORDS, Start

EVENT = "schedule_reached"


def read(reader: Reader, node: Node | None) -> Start:
    """Neither `on` nor `day`: every day."""
    outer = reader.fields(node, "`trigger`", required=("schedule",), later=LATER)
    found = reader.fields(outer.get("schedule"), "`schedule`", required=("at",), optional=("on", "day"))
    if "on" in found and "day" in found:
        reader.note(
            "bad_choice",
            found["day"],
            "`schedule` has either `on`, weekdays, or `day`, of the month, not both",
            advice="Keep one of the two.",
        )
    appointment = ScheduleTrigger(
        at_ms=time_of_day(reader, found.get("at"), "`at`"),
        weekdays=weekdays(reader, found.get("on"), "`on`"),
        day_of_month=reader.integer(found.get("day"), "`day`", least=1, most=31),
    )
    return Start(EventMatch(event=EVENT), MOMENT_WORDS, appointment=appointment)
