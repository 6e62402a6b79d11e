"""Conditions: comparisons of words and predicates on the person, joined by `all`, `any` and `not`.

    where:  { total: { gte: { money: "20.00", currency: USD } }, channel_id: { in: ["2", "3"] } }
    filter: { fact: { country: { eq: DE } }, not: { in_flow: welcome } }

Several of them in one mapping must all hold. What may stand where says the `Scope`.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.conditions import All, AnyOf, Condition, Not
from streams.flowfile.comparisons import NOTHING, of_word
from streams.flowfile.comparisons import Scope as Scope
from streams.flowfile.comparisons import trigger_word as trigger_word
from streams.flowfile.nodes import Mapping, Node, shown
from streams.flowfile.predicates import PREDICATES, is_items, items
from streams.flowfile.reader import EventAsked, Joined, Reader

_JOINTS = ("all", "any", "not")
_LATER = frozenset({"profile", "in_segment", "coupon"})


def condition(reader: Reader, node: Node | None, what: str, scope: Scope) -> Condition:
    """Compile a condition."""
    reader.asks(node, "condition", prefix=scope.prefix)
    if node is None:
        return NOTHING
    if not isinstance(node, Mapping):
        reader.note("wrong_shape", node, f"{what} must be a mapping as {{ word: {{ eq: ... }} }}, not {shown(node)}")
        return NOTHING
    if not node.entries:
        reader.note("empty", node, f"{what} must not be empty")
    parts: list[Condition] = []
    for key, (place, value) in node.entries.items():
        if key == "not":
            parts.append(Not(part=condition(reader, value, "`not`", replace(scope, denied=not scope.denied))))
        elif key in _JOINTS:
            inner = reader.items(value, f"`{key}`")
            judged = tuple(condition(reader, part, f"a part of `{key}`", scope) for part in inner)
            joint = All(parts=judged) if key == "all" else AnyOf(parts=judged)
            parts.append(joint)
            reader.joined.append(Joined(place, joint, scope.denied))
        elif is_items(key, value, scope):
            if scope.event is not None:
                reader.events.append(EventAsked(place, scope.event, "items"))
            parts.append(items.read(reader, value, scope, condition))
        elif key in PREDICATES and key not in (scope.words or ()):
            parts.extend(_predicate(reader, place, key, value, scope))
        elif key in _LATER and scope.words is not None and key not in scope.words:
            reader.unknown("unknown_word", place, "", key, [*_JOINTS, *_allowed(scope)], _LATER)
        else:
            parts.extend(of_word(reader, place, key, value, scope, (*_JOINTS, *_allowed(scope))))
    if len(parts) == 1:
        return parts[0]
    whole = All(parts=tuple(parts))
    reader.joined.append(Joined(node, whole, scope.denied))
    return whole


def _predicate(reader: Reader, place: Node, key: str, value: Node, scope: Scope) -> list[Condition]:
    if not scope.person:
        message = f"`{key}` asks about the person, and here only the event is judged"
        reader.note("out_of_place", place, message)
        return []
    return [PREDICATES[key](reader, value, scope, condition)]


def _allowed(scope: Scope) -> tuple[str, ...]:
    return tuple(PREDICATES) if scope.person else ()
