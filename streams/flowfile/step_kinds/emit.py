"""`emit`: an event of one's own."""

from __future__ import annotations

from schemas.limits import SET_MAX
from schemas.steps import Emit
from streams.flowfile.nodes import Node, shown
from streams.flowfile.steps import Place, Steps
from streams.flowfile.values import values


def read(steps: Steps, body: Node, place: Place) -> None:
    """`emit: { event: custom_vip, properties: { code: trigger.code } }`; what shops report is not for flows to say."""
    reader = steps.reader
    found = reader.fields(body, "`emit`", required=("event",), optional=("properties",))
    event = reader.name(found.get("event"), "`event`")
    if event and not (event.startswith("custom_") and event.isidentifier() and event != "custom_"):
        near = "custom_" + event.replace("-", "_")
        message = f"a flow reports events of its own, `custom_...`, not {shown(found['event'])}"
        reader.note("unknown_event", found["event"], message, suggestion=near if near.isidentifier() else None)
    properties = values(reader, found.get("properties"), "`properties`", steps.scope, most=SET_MAX)
    steps.add(
        place, (place.after,), lambda after: Emit(label=place.label, event=event, properties=properties, next=after)
    )
