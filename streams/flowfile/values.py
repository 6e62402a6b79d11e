"""Values as flow files write them: `trigger.word`, `fact.name`, or what stands there."""

from __future__ import annotations

from schemas.steps import Value
from streams.flowfile.conditions import Scope, trigger_word
from streams.flowfile.nodes import Node, Scalar, shown
from streams.flowfile.reader import TRIGGER, Reader

FACT = "fact."


def value(reader: Reader, node: Node, what: str, scope: Scope) -> Value:
    """A reference, or a text, number, `true` or `false` as it is written."""
    scalar = reader.scalar(node, what)
    if scalar is None:
        return Value("literal", "")
    if scalar.kind == "boolean":
        return Value("literal", scalar.text.lower() == "true")
    if scalar.kind == "number":
        return Value("literal", reader.number(scalar, what))
    return reference(reader, scalar, what, scope)


def reference(reader: Reader, node: Node, what: str, scope: Scope) -> Value:
    """A reference, or any other text. A whole number needs no quotes, as in the cases of `route`."""
    reader.asks(node, "either")
    if isinstance(node, Scalar) and node.kind == "number" and node.text.isdigit():
        return Value("literal", node.text)
    text = reader.text(node, what) or ""
    if text.startswith(TRIGGER):
        return Value("trigger", trigger_word(reader, node, what, scope))
    if text.startswith(FACT):
        name = text.removeprefix(FACT)
        if not name.replace("_", "a").isalnum():
            reader.note("bad_name", node, f"{what} must name a fact such as `fact.first_name`, not {shown(node)}")
        return Value("fact", name)
    return Value("literal", text)
