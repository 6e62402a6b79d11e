"""Values of steps: `trigger.word`, `fact.name`, or a literal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from difflib import get_close_matches
from typing import Any

from schemas.catalog import Kind
from schemas.facts import FactKind
from schemas.steps import Value
from streams.flowfile.comparisons import Scope, trigger_word
from streams.flowfile.nodes import Listing, Mapping, Node, Scalar, cut, shown
from streams.flowfile.reader import FACT, TRIGGER, Reader, listed

_REFERENCE = re.compile(r"([A-Za-z_]{3,12})\.[A-Za-z_]\w*")


def reference(reader: Reader, node: Node | None, what: str, scope: Scope, *, kinds: Iterable[Kind] = ()) -> Value:
    """`trigger.word` of one of these kinds, or `fact.name`."""
    reader.asks(node, "reference")
    text = reader.text(node, what)
    if node is None or text is None:
        return Value("trigger", "")
    if text.startswith(FACT):
        return Value("fact", _fact(reader, node, text, what, scope, tuple(kinds)))
    if not text.startswith(TRIGGER):
        message = f"{what} must be `{TRIGGER}word` or `{FACT}name`, not `{cut(text)}`"
        near = TRIGGER + text if text in (scope.words or {}) else None
        reader.note("unknown_word", node, message, suggestion=near)
        return Value("trigger", "")
    word = trigger_word(reader, node, what, scope)
    kinds, declared = tuple(kinds), (scope.words or {}).get(word)
    if declared is not None and kinds and declared.kind not in kinds:
        message = f"{what} must name a word that is {listed(kinds, 'or')}, and `{cut(text)}` is {declared.kind}"
        reader.note("wrong_kind", node, message, advice=_another(kinds))
    return Value("trigger", word)


def value(reader: Reader, node: Node, what: str, scope: Scope) -> Value:
    """A reference, or what the file says: text, a number, true or false, a list of texts. A decimal stays text."""
    reader.asks(node, "value")
    if isinstance(node, Scalar) and node.kind == "text" and node.text.startswith((TRIGGER, FACT)):
        return reference(reader, node, what, scope)
    if isinstance(node, Scalar):
        _no_reference(reader, node, what)
    return Value("literal", _literal(reader, node, what))


def storefront(reader: Reader, node: Node | None, scope: Scope) -> Value | None:
    """`storefront: trigger.channel_id`, of a flow or of a message; or the storefront itself, which needs no quotes."""
    reader.asks(node, "storefront")
    if node is None:
        return None
    if isinstance(node, Scalar) and node.kind == "number" and node.text.isdigit():
        return Value("literal", node.text)
    if isinstance(node, Scalar) and node.kind == "text" and node.text.startswith((TRIGGER, FACT)):
        return reference(reader, node, "`storefront`", scope)
    return Value("literal", reader.text(node, "`storefront`") or "")


def values(reader: Reader, node: Node | None, what: str, scope: Scope, *, most: int) -> dict[str, Value]:
    """A mapping of names to values."""
    if node is None:
        return {}
    reader.asks(node, "values")
    if not isinstance(node, Mapping) or not node.entries:
        reader.note("wrong_shape", node, f"{what} must be a mapping of names to values, not {shown(node)}")
        return {}
    if len(node.entries) > most:
        reader.note(
            "out_of_range",
            node,
            f"{what} may have {most} names, and here are {len(node.entries)}",
            advice=f"Leave some out, so that {most} remain.",
        )
    return {
        reader.name(name, f"a name in {what}"): value(reader, part, f"`{cut(name.text)}`", scope)
        for name, part in node.entries.values()
    }


def check_fact(
    reader: Reader, node: Node, written: str, facts: MappingOf[str, FactKind], *, kinds: tuple[Kind, ...] = ()
) -> None:
    """Flows may state facts that nobody declares; a slip of the pen, or one of another kind, is found all the same."""
    name = written.removeprefix(FACT)
    if name in facts:
        kind = facts[name].kind
        if kinds and kind not in kinds:
            message = f"a fact that is {listed(kinds, 'or')} belongs here, and `{name}` is {kind}"
            reader.note("wrong_kind", node, message, advice=_another(kinds))
    elif near := reader.fact_like(name, facts):
        message = f"no fact is called `{cut(name)}`; if it is one of your own, declare it in the policy file"
        reader.note("unknown_fact", node, message, suggestion=written.removesuffix(name) + near)


def _fact(reader: Reader, node: Node, text: str, what: str, scope: Scope, kinds: tuple[Kind, ...]) -> str:
    name = text.removeprefix(FACT)
    if not name.isidentifier():
        reader.note("bad_name", node, f"{what} must name a fact such as `{FACT}birthday`, not {shown(node)}")
    else:
        check_fact(reader, node, text, scope.facts, kinds=kinds)
    return name


def _another(kinds: Iterable[Kind]) -> str:
    return f"Take a word of the trigger or a fact that is {listed(kinds, 'or')}."


def _no_reference(reader: Reader, node: Scalar, what: str) -> None:
    """`triger.total` and `{{ trigger.total }}` would be sent as they stand there."""
    meant = _REFERENCE.fullmatch(node.text)
    near = get_close_matches(meant[1].lower(), ("trigger", "fact"), n=1, cutoff=0.8) if meant else []
    if "{{" in node.text:
        message = f"{what} is taken as it stands, and Liquid only in templates"
        advice = f"Write `{TRIGGER}WORD` or `{FACT}NAME`, without braces."
        reader.note("unknown_word", node, message, advice=advice)
    elif meant and near:
        suggestion = f"{near[0]}.{node.text.partition('.')[2]}"
        message = f"{what} is taken as it stands; a word is `{TRIGGER}word`, a fact `{FACT}name`, not {shown(node)}"
        reader.note("unknown_word", node, message, suggestion=suggestion)


def _literal(reader: Reader, node: Node, what: str) -> Any:
    if isinstance(node, Listing):
        return [reader.text(part, f"a part of {what}") for part in node.items]
    scalar = reader.scalar(node, what)
    if scalar is None or scalar.kind == "text":
        return None if scalar is None else scalar.text
    return reader.boolean(scalar, what) if scalar.kind == "boolean" else reader.number(scalar, what)
