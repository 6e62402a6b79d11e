"""`always_true_negation`: `any: [{ country: { ne: US } }, { country: { ne: CA } }]`, which is true of everybody."""

from __future__ import annotations

from collections.abc import Hashable

from schemas.conditions import AnyOf, Compare, EventCount, FactIs
from streams.flowfile.findings import Findings
from streams.flowfile.lint.contradictions import excluding
from streams.flowfile.lint.literals import Joint, Literal, both_ways, joints
from streams.flowfile.lint.subject import Subject

_DENIALS = frozenset({"ne", "not_in", "not_contains"})
_PRESENCE = frozenset({"is_set", "is_not_set"})


def always_true_negation(subject: Subject, findings: Findings) -> None:
    """What nearly everything satisfies: `any` of several negations of one thing, or of all that can be (semantics 10).
    Under a `not`, an `all` is such an `any`.
    """
    for joint in joints(subject.joined):
        message = None if joint.every else _message(joint)
        if message is not None:
            findings.note("always_true_negation", joint.place, message)


def _message(joint: Joint) -> str | None:
    written_so = isinstance(joint.condition, AnyOf)
    if written_so and (denied := _denied_twice(joint)) is not None:
        return f"`any` of several negations of {denied.thing} is true of nearly everything"
    if (found := both_ways(joint.literals)) is not None:
        return f"{found.thing} is asked both ways, and one of them always holds"
    # One of them always holds if their opposites never hold together. Money of two currencies is unknown to both.
    opposites = [literal.opposite for literal in joint.literals if not (written_so and _is_presence(literal))]
    if (pair := excluding(opposites, by_currency=True)) is None:
        return None
    one, other = (literal.opposite.written for literal in pair)
    return f"{pair[0].thing} always satisfies {one} or {other}, whatever it is"


def _denied_twice(joint: Joint) -> Literal | None:
    """The first thing of which two parts deny what is not the same; or one denies, and another says it is there."""
    denied: dict[Hashable, Literal] = {}
    present: dict[Hashable, int] = {}
    for literal in joint.literals:
        thing, part = _thing(literal), literal.part
        if _is_denial(literal):
            first = denied.setdefault(thing, literal)
            if (first.part != part and first.asked != literal.asked) or present.get(thing, part) != part:
                return literal
        elif literal.compare is not None and literal.compare.operator == "is_set":
            if thing in denied and denied[thing].part != part:
                return literal
            present.setdefault(thing, part)
    return None


def _thing(literal: Literal) -> Hashable:
    of = literal.condition
    if isinstance(of, EventCount):
        return of.of.event, of.of.sources, of.within_ms, of.since_start
    return literal.thing


def _is_denial(literal: Literal) -> bool:
    if literal.compare is None or isinstance(literal.condition, EventCount):
        return literal.denied and isinstance(literal.condition, Compare | FactIs | EventCount)
    return literal.compare.operator in _DENIALS


def _is_presence(literal: Literal) -> bool:
    return literal.compare is not None and literal.compare.operator in _PRESENCE
