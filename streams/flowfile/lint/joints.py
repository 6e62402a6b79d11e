"""`always_true_negation` and `never_true`: conditions joined by the wrong word.

`any: [{ country: { ne: US } }, { country: { ne: CA } }]` is true of everybody, and `all: [{ country: { eq: US } },
{ country: { eq: CA } }]` of nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any

from schemas.conditions import All, AnyOf, Compare, Condition, Consented, EventCount, FactIs, InFlow, Not
from streams.flowfile.lint.subject import Note, Subject

_NEGATIVE = frozenset({"ne", "not_in", "not_contains"})
_POSITIVE = frozenset({"eq", "in", "contains", "starts_with"})


def always_true_negation(subject: Subject, note: Note) -> None:
    """`any` of two negations of one thing (semantics 10)."""
    for place, joint in subject.joined:
        if not isinstance(joint, AnyOf):
            continue
        denied = [name for part in joint.parts for name in _denied(part)]
        twice = next((name for name in denied if denied.count(name) > 1), None)
        if twice is not None:
            message = f"`any` of several negations of {twice} is true of nearly everything; join them with `all`"
            note("always_true_negation", place, message)


def _denied(part: Condition) -> Iterator[str]:
    """What a part says something is not."""
    if isinstance(part, Not):
        inner = part.part
        compare = inner.compare if isinstance(inner, FactIs) else inner
        if not isinstance(compare, Compare) or compare.operator in _POSITIVE:
            yield from _thing(inner)
    elif isinstance(part, Compare | FactIs):
        compare = part.compare if isinstance(part, FactIs) else part
        if compare.operator in _NEGATIVE:
            yield from _thing(part)


def _thing(condition: Condition) -> Iterator[str]:
    match condition:
        case Compare():
            yield f"`{condition.word}`"
        case FactIs():
            yield f"the fact `{condition.compare.word}`"
        case InFlow():
            yield "`in_flow`"
        case Consented():
            yield "`consent`"
        case EventCount():
            yield f"`event_count` of `{condition.of.event}`"


def never_true(subject: Subject, note: Note) -> None:
    """`all` of two comparisons that exclude each other."""
    for place, joint in subject.joined:
        if not isinstance(joint, All):
            continue
        parts = [list(_compares(part)) for part in joint.parts]  # what is joined deeper down is judged there
        pairs = ((one, other) for a, b in combinations(parts, 2) for one in a for other in b)
        both = next(((one, other) for one, other in pairs if _exclude(one, other)), None)
        if both is not None:
            operators = " and ".join(f"`{compare.operator}`" for _, compare in both)
            message = f"{both[0][0]} cannot satisfy both this {operators}; join them with `any`, or remove one"
            note("never_true", place, message)


def _compares(part: Condition) -> Iterator[tuple[str, Compare]]:
    if isinstance(part, Compare | FactIs):
        compare = part.compare if isinstance(part, FactIs) else part
        yield from ((name, compare) for name in _thing(part))
    elif isinstance(part, All):
        for inner in part.parts:
            yield from _compares(inner)


def _exclude(one: tuple[str, Compare], other: tuple[str, Compare]) -> bool:
    (thing, left), (same, right) = one, other
    if thing != same or left.kind != right.kind or left.kind == "list":
        return False
    operators = {left.operator, right.operator}
    if operators in ({"is_set", "is_not_set"}, {"is_true", "is_false"}):
        return True
    if "is_not_set" in operators:
        return len(operators) > 1
    mine, theirs = _among(left), _among(right)
    if mine is not None and theirs is not None:
        return not any(value in theirs for value in mine)
    return _empty_range(left, right) or _empty_range(right, left)


def _among(compare: Compare) -> Sequence[Any] | None:
    """The only values that satisfy it, if they can be counted up."""
    if compare.operator == "eq":
        return [_value(compare.operand, compare.kind)]
    return [_value(each, compare.kind) for each in compare.operand] if compare.operator == "in" else None


def _value(operand: Any, kind: str) -> Any:
    if kind == "money":
        return (operand[1], Decimal(operand[0]))
    return Decimal(operand) if kind == "number" else operand


def _empty_range(low: Compare, high: Compare) -> bool:
    """Whether nothing lies above the one and below the other. Money of two currencies has no order and never meets."""
    if low.operator not in ("gt", "gte", "eq") or high.operator not in ("lt", "lte", "eq") or low.kind == "text":
        return False
    least, most = _value(low.operand, low.kind), _value(high.operand, high.kind)
    if low.kind == "money" and least[0] != most[0]:
        return True
    return bool(least > most or (least == most and (low.operator == "gt" or high.operator == "lt")))
