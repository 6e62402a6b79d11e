"""`set`: facts of the person."""

from __future__ import annotations

from schemas.limits import SET_MAX
from schemas.steps import SetFact
from streams.flowfile.nodes import Node
from streams.flowfile.steps import Place, Steps
from streams.flowfile.values import values


def read(steps: Steps, body: Node, place: Place) -> None:
    """`set: { last_cart: trigger.checkout_id, nudged: true }`"""
    facts = values(steps.reader, body, "`set`", steps.scope, most=SET_MAX)
    steps.add(place, (place.after,), lambda after: SetFact(label=place.label, facts=facts, next=after))
