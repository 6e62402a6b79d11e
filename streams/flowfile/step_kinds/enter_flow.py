"""`enter_flow`: another flow that the person is offered to."""

from __future__ import annotations

from schemas.steps import EnterFlow
from streams.flowfile.nodes import Node
from streams.flowfile.steps import Place, Steps


def read(steps: Steps, body: Node, place: Place) -> None:
    """`enter_flow: { flow: nurture }`; whether there is one is seen when it is run."""
    found = steps.reader.fields(body, "`enter_flow`", required=("flow",))
    flow = steps.reader.name(found.get("flow"), "`flow`")
    steps.add(place, (place.after,), lambda after: EnterFlow(label=place.label, flow=flow, next=after))
