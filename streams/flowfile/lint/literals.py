"""Literals: what a joint comes to when every `not` is carried down to the comparison or question that it denies.

    not: { all: [{ store: { eq: us } }, { store: { eq: ca } }] }   is any of: store ne us, store ne ca
    not: { any: [{ store: { ne: us } }, { not: { in_flow: a } }] }  is all of: store eq us, in flow a

In three values, too: `not unknown` is unknown, and so is the opposite comparison of what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from schemas.codec import encode
from schemas.conditions import All, AnyOf, Compare, Condition, Consented, EventCount, FactIs, InFlow, Not, Operator
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Joined

_OPPOSITE: dict[Operator, Operator] = {
    "eq": "ne", "in": "not_in", "gt": "lte", "lt": "gte", "contains": "not_contains", "is_set": "is_not_set",
    "is_true": "is_false",
}  # fmt: skip
_OPPOSITE |= {there: here for here, there in _OPPOSITE.items()}
_DENIALS = frozenset({"ne", "not_in", "not_contains", "is_not_set", "is_false"})


class Literal(NamedTuple):
    """A condition without joints, or its opposite; `part` is the part of the joint that it stands in."""

    part: int
    condition: Condition
    denied: bool

    @property
    def compare(self) -> Compare | None:
        """As a comparison, its denial taken in; None for what is none, or has no opposite."""
        of = _compared(self.condition)
        if of is None or not self.denied:
            return of
        return replace(of, operator=_OPPOSITE[of.operator]) if of.operator in _OPPOSITE else None

    @property
    def opposite(self) -> Literal:
        """What holds where this one fails."""
        return self._replace(denied=not self.denied)

    @property
    def asked(self) -> tuple[bytes, bool]:
        """What is asked, the same for `eq` and `ne`, and whether it is to be so."""
        of, so = self.condition, not self.denied
        compare = of.compare if isinstance(of, FactIs) else of
        if isinstance(compare, Compare) and compare.operator in _DENIALS:
            compare, so = replace(compare, operator=_OPPOSITE[compare.operator]), not so
            of = FactIs(compare=compare) if isinstance(of, FactIs) else compare
        return encode(of), so

    @property
    def compared(self) -> str | bytes:
        """What of it can be laid beside others."""
        of = self.condition
        return encode(replace(of, tests=())) if isinstance(of, EventCount) else self.thing

    @property
    def thing(self) -> str:
        """What it speaks of, for a message."""
        match self.condition:
            case Compare():
                return f"`{self.condition.word}`"
            case FactIs():
                return f"the fact `{self.condition.compare.word}`"
            case InFlow():
                return f"`in_flow: {self.condition.flow}`"
            case Consented():
                return f"`consent: {self.condition.channel}`"
            case EventCount():
                return f"`event_count` of `{self.condition.of.event}`"
        return f"this `{self.condition.__struct_config__.tag}`"

    @property
    def written(self) -> str:
        """How it is compared, for a message."""
        of = self.condition.tests[0] if isinstance(self.condition, EventCount) else _compared(self.condition)
        operator = f"`{of.operator}`" if of is not None else ""
        return f"`not` {operator}" if self.denied else operator


class Joint(NamedTuple):
    """An `all` or `any`. `every`: all of its literals must hold, which under a `not` is what an `any` means."""

    place: Node
    condition: All | AnyOf
    every: bool
    literals: tuple[Literal, ...]


def _compared(condition: Condition) -> Compare | None:
    if isinstance(condition, EventCount):
        return _of_count(condition.tests[0]) if len(condition.tests) == 1 else None
    of = condition.compare if isinstance(condition, FactIs) else condition
    return of if isinstance(of, Compare) else None


def _of_count(test: Compare) -> Compare:
    """There are no numbers below 0, so that `eq: 0` is `lt: 1`."""
    if test.operand == 0 and test.operator in ("eq", "lte", "ne", "gt"):
        return replace(test, operator="lt" if test.operator in ("eq", "lte") else "gte", operand=1)
    return test


def joints(joined: Sequence[Joined]) -> Iterator[Joint]:
    """Of everything that is joined. What is joined in another way deeper down is judged there."""
    for place, condition, denied in joined:
        every = isinstance(condition, All) != denied
        found = (
            Literal(number, *each)
            for number, part in enumerate(condition.parts)
            for each in _literals(part, denied=denied, every=every)
        )
        yield Joint(place, condition, every, tuple(found))


def _literals(condition: Condition, *, denied: bool, every: bool) -> Iterator[tuple[Condition, bool]]:
    if isinstance(condition, Not):
        yield from _literals(condition.part, denied=not denied, every=every)
    elif not isinstance(condition, All | AnyOf):
        yield condition, denied
    elif len(condition.parts) == 1 or (isinstance(condition, All) != denied) == every:
        for part in condition.parts:
            yield from _literals(part, denied=denied, every=every)


def both_ways(literals: Sequence[Literal]) -> Literal | None:
    """The first one whose opposite stands in a part before it."""
    first: dict[tuple[bytes, bool], int] = {}
    for literal in literals:
        asked, so = literal.asked
        if first.get((asked, not so), literal.part) != literal.part:
            return literal
        first.setdefault((asked, so), literal.part)
    return None
