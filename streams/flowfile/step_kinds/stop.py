"""`stop`: the end, and why."""

from __future__ import annotations

from schemas.steps import Stop
from streams.flowfile.nodes import Node
from streams.flowfile.steps import Place, Steps


def read(steps: Steps, body: Node, place: Place) -> None:
    """`stop: done`; what stands below it is reached by a label only."""
    reason = steps.reader.name(body, "the reason of `stop`")
    steps.add(place, (), lambda: Stop(label=place.label, reason=reason))
