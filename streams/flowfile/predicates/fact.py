"""`fact: { country: { in: [DE, AT] }, accepts_marketing: { is_true: true } }`: facts, as their kinds compare."""

from __future__ import annotations

from schemas.conditions import All, Compare, Condition, FactIs
from streams.flowfile.comparisons import NOTHING, Scope, comparisons
from streams.flowfile.events import Compile
from streams.flowfile.nodes import Mapping, Node, cut, shown
from streams.flowfile.reader import Reader


def read(reader: Reader, node: Node, scope: Scope, compile_: Compile) -> Condition:
    """Several facts, or several comparisons of one, must all hold."""
    reader.asks(node, "facts")
    if not isinstance(node, Mapping) or not node.entries:
        expected = f"`fact` must be a mapping such as {{ country: {{ eq: DE }} }}, not {shown(node)}"
        reader.note("wrong_shape", node, expected)
        return NOTHING
    parts: list[Condition] = []
    for name, (place, body) in node.entries.items():
        declared = scope.facts.get(name)
        if declared is None:
            message = f"no fact is called `{cut(name)}`; declare one of your own in the policy file"
            reader.unknown("unknown_fact", place, message, name, scope.facts)
            continue
        judged = comparisons(reader, name, declared.kind, body)
        parts.extend(FactIs(compare=one) for one in judged if isinstance(one, Compare))
    return parts[0] if len(parts) == 1 else All(parts=tuple(parts))
