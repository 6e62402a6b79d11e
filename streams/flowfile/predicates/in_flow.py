"""`in_flow: welcome`, or `{ flow: welcome, ever: true }`."""

from __future__ import annotations

from schemas.conditions import Condition, InFlow
from streams.flowfile.comparisons import Scope
from streams.flowfile.events import Compile
from streams.flowfile.nodes import Mapping, Node
from streams.flowfile.reader import Reader


def read(reader: Reader, node: Node, scope: Scope, compile_: Compile) -> Condition:
    """A name, or a mapping."""
    if not isinstance(node, Mapping):
        return InFlow(flow=reader.name(node, "`in_flow`"))
    found = reader.fields(node, "`in_flow`", required=("flow",), optional=("ever",))
    return InFlow(flow=reader.name(found.get("flow"), "`flow`"), ever=reader.boolean(found.get("ever"), "`ever`"))
