"""`never_true`: `all` of two comparisons that exclude each other, as `{ eq: US }` and `{ eq: CA }` of one country.

The comparisons of one thing are numbered, and several of them are an int with a bit for each: a file may hold
thousands, and to lay every one beside every other would take minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import reduce
from operator import and_
from typing import Any, NamedTuple

from msgspec.structs import replace

from schemas.conditions import Compare, Operator
from streams.flowfile.findings import Findings
from streams.flowfile.lint.literals import Literal, both_ways, joints
from streams.flowfile.lint.subject import Subject

_DENIED_BY: dict[str, Operator] = {"ne": "eq", "not_in": "in"}
_OPPOSITE = {"is_true": "is_false", "is_false": "is_true"}
_LOW = {"gt": 2, "gte": 1, "eq": 1}  # the rank of a bound among those of one value: low up to high leaves room
_HIGH = {"lt": 0, "lte": 1, "eq": 1}


class _Said(NamedTuple):
    """A comparison, and the part of the joint that it is in; `number` counts through all of them."""

    part: int
    number: int
    literal: Literal
    compare: Compare


def never_true(subject: Subject, findings: Findings) -> None:
    """The first two of each `all`, by the order of its parts; under a `not`, an `any` is one."""
    for joint in joints(subject.joined):
        if not joint.every:
            continue
        if (pair := excluding(joint.literals)) is not None:
            one, other = (literal.written for literal in pair)
            findings.note("never_true", joint.place, f"{pair[0].thing} cannot satisfy both this {one} and {other}")
        elif (found := both_ways(joint.literals)) is not None:
            findings.note("never_true", joint.place, f"{found.thing} is asked both ways, and never both hold")


def excluding(literals: Sequence[Literal], *, by_currency: bool = False) -> tuple[Literal, Literal] | None:
    """The first two of different parts that no value satisfies; `by_currency`: of amounts of one currency only."""
    said: dict[tuple[str | bytes, str, str], list[_Said]] = defaultdict(list)
    for number, literal in enumerate(literals):
        if (compare := literal.compare) is not None:
            currency = compare.operand[1] if by_currency and compare.kind == "money" and compare.operand else ""
            said[literal.compared, compare.kind, currency].append(_Said(literal.part, number, literal, compare))
    pairs = (pair for (_, kind, _), same in said.items() if kind != "list" for pair in _pairs(same))
    both = min(pairs, key=lambda pair: (pair[0].part, pair[1].part, pair[0].number, pair[1].number), default=None)
    return None if both is None else (both[0].literal, both[1].literal)


def _pairs(same: Sequence[_Said]) -> Iterator[tuple[_Said, _Said]]:
    """Each with the first one of another part that excludes it, on either side; of two, the first one stands first."""
    behind = {said.part: number for number, said in enumerate(same, 1)}  # each part: where the next one begins
    if len(behind) == 1:
        return
    begins = dict(zip(behind, [0, *behind.values()], strict=False))
    for one, excluding in zip(same, _excluding([said.compare for said in same]), strict=True):
        earlier, later = excluding & ((1 << begins[one.part]) - 1), excluding >> behind[one.part]
        if earlier:
            yield same[_lowest(earlier)], one
        if later:
            yield one, same[behind[one.part] + _lowest(later)]


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _excluding(same: Sequence[Compare]) -> Iterator[int]:
    """For each of them, those that exclude it; of what allows a few values and what denies them, the first knows."""
    saying: dict[str, int] = defaultdict(int)
    for number, compare in enumerate(same):
        saying[compare.operator] |= 1 << number
    unset = saying["is_not_set"]
    found = zip(same, _elsewhere(same), _denying(same), _beyond(same), strict=True)
    for compare, elsewhere, denying, beyond in found:
        if compare.operator == "is_not_set":
            yield ((1 << len(same)) - 1) & ~unset
        else:
            yield unset | saying[_OPPOSITE.get(compare.operator, "")] | elsewhere | denying | beyond


def _elsewhere(same: Sequence[Compare]) -> Iterator[int]:
    """Those that allow some values only, and none that this one allows."""
    allowed = [_among(compare) for compare in same]
    allowing: dict[Any, int] = defaultdict(int)
    every = 0
    for number, values in enumerate(allowed):
        if values is not None:
            every |= 1 << number
            for value in values:
                allowing[value] |= 1 << number
    for values in allowed:
        meeting = 0
        for value in values or ():
            meeting |= allowing[value]
        yield 0 if values is None else every & ~meeting


def _denying(same: Sequence[Compare]) -> Iterator[int]:
    """Those that deny all the values that this one allows, if it allows some only."""
    denying: dict[Any, int] = defaultdict(int)
    for number, compare in enumerate(same):
        if compare.operator in _DENIED_BY:
            for value in _among(replace(compare, operator=_DENIED_BY[compare.operator])) or ():
                denying[value] |= 1 << number
    for compare in same:
        values = _among(compare)
        yield reduce(and_, (denying.get(value, 0) for value in values)) if values else 0


def _among(compare: Compare) -> Sequence[Any] | None:
    """The only values that satisfy it, if they can be counted up."""
    if compare.operator == "eq":
        return [_value(compare.operand, compare.kind)]
    return [_value(each, compare.kind) for each in compare.operand] if compare.operator == "in" else None


def _beyond(same: Sequence[Compare]) -> Sequence[int]:
    """The upper bounds below this lower one, and the other way round. Money of two currencies has no order and never
    meets.
    """
    found = [0] * len(same)
    bounds: dict[str, list[tuple[Any, int, bool, int]]] = defaultdict(list)
    every = {False: 0, True: 0}
    for number, compare in enumerate(same):
        for is_high, ranks in ((False, _LOW), (True, _HIGH)):
            if compare.operator in ranks and compare.kind != "text":
                value = _value(compare.operand, compare.kind)
                currency, value = value if compare.kind == "money" else ("", value)
                bounds[currency].append((value, ranks[compare.operator], is_high, number))
                every[is_high] |= 1 << number
    for each in bounds.values():
        each.sort()  # Where value and rank are equal, the lower bound comes first: there is room between them.
        for met_high, run in ((False, iter(each)), (True, reversed(each))):
            met = 0
            for _, _, is_high, number in run:
                if is_high == met_high:
                    met |= 1 << number
                else:
                    found[number] |= every[met_high] & ~met
    return found


def _value(operand: Any, kind: str) -> Any:
    if kind == "money":
        return (operand[1], Decimal(operand[0]))
    return Decimal(operand) if kind == "number" else operand
