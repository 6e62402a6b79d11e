"""`if`: a condition and its two ways."""

from __future__ import annotations

from schemas.steps import If, Step
from streams.flowfile.conditions import condition
from streams.flowfile.nodes import Node
from streams.flowfile.steps import Place, Steps, Target


def read(steps: Steps, body: Node, place: Place) -> None:
    """`if: { condition: { trigger.total: ... }, then: big_cart, otherwise: { stop: too_small } }`"""
    found = steps.reader.fields(body, "`if`", required=("condition", "then"), optional=("otherwise",))
    judged = condition(steps.reader, found.get("condition"), "`condition`", steps.scope)

    def build(then: int, otherwise: int) -> Step:
        return If(label=place.label, condition=judged, then=then, otherwise=otherwise)

    ways: list[Target] = []
    steps.add(place, ways, build)  # First its place, then what its ways bring along.
    ways.append(steps.target(found.get("then"), "`then`", after=place.after))
    ways.append(steps.target(found.get("otherwise"), "`otherwise`", after=place.after))
