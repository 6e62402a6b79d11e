"""Conditions: typed comparisons of the declared words of an event, joined by `all`, `any` and `not`.

    where: { total: { gte: { money: "20.00", currency: USD } }, channel_id: { in: ["2", "3"] } }

Several words, or several operators of one word, must all hold. An operand must be of the kind of its word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Any, get_args

from schemas.catalog import Kind, Word
from schemas.conditions import All, AnyOf, Compare, Condition, Not, Operator
from schemas.instants import from_wire
from schemas.money import AMOUNT_PATTERN
from streams.flowfile.nodes import Mapping, Node, Scalar, cut, shown
from streams.flowfile.reader import TRIGGER, Reader, listed

_OPPOSITE: dict[str, Operator] = {
    "is_set": "is_not_set",
    "is_not_set": "is_set",
    "is_true": "is_false",
    "is_false": "is_true",
}
_PRESENCE: tuple[Operator, ...] = ("is_set", "is_not_set")
_ORDER: tuple[Operator, ...] = ("eq", "ne", "gt", "gte", "lt", "lte")
OPERATORS: dict[Kind, tuple[Operator, ...]] = {
    "text": ("eq", "ne", "in", "not_in", "contains", "not_contains", "starts_with", *_PRESENCE),
    "number": (*_ORDER, "in", "not_in", *_PRESENCE),
    "money": (*_ORDER, *_PRESENCE),
    "boolean": ("is_true", "is_false", *_PRESENCE),
    "instant": (*_ORDER, *_PRESENCE),
    "list": ("contains", "not_contains", *_PRESENCE),
}
_JOINTS = ("all", "any", "not")
_LATER = frozenset(
    "event_count last_event fact profile in_segment in_flow consent now_between coupon".split()  # noqa: SIM905
)
_NOTHING = All(parts=())


@dataclass(frozen=True, slots=True)
class Scope:
    """The words that a condition may use. None: the event is not known, so every word passes."""

    words: MappingOf[str, Word] | None
    prefix: str = ""  # `trigger.` where the words are not those of the event at hand

    def names(self) -> list[str]:
        """The words as they are written here."""
        return [self.prefix + word for word in self.words or ()]


def condition(reader: Reader, node: Node | None, what: str, scope: Scope) -> Condition:
    """Compile a condition."""
    reader.asks(node, "condition", prefix=scope.prefix)
    if node is None:
        return _NOTHING
    if not isinstance(node, Mapping):
        reader.note("wrong_shape", node, f"{what} must be a mapping as {{ word: {{ eq: ... }} }}, not {shown(node)}")
        return _NOTHING
    if not node.entries:
        reader.note("empty", node, f"{what} must not be empty")
    parts: list[Condition] = []
    for key, (place, value) in node.entries.items():
        if key == "not":
            parts.append(Not(part=condition(reader, value, "`not`", scope)))
        elif key in _JOINTS:
            inner = reader.items(value, f"`{key}`")
            judged = tuple(condition(reader, part, f"a part of `{key}`", scope) for part in inner)
            parts.append(All(parts=judged) if key == "all" else AnyOf(parts=judged))
            reader.joined.append((place, parts[-1]))
        else:
            parts.extend(_comparisons(reader, place, key, value, scope))
    if len(parts) == 1:
        return parts[0]
    whole = All(parts=tuple(parts))
    reader.joined.append((node, whole))
    return whole


def trigger_word(reader: Reader, node: Node | None, what: str, scope: Scope, *, kind: Kind | None = None) -> str:
    """A reference such as `trigger.checkout_id`, as the bare word; of one kind, if one is asked for."""
    reader.asks(node, "word", prefix=scope.prefix)
    text = reader.text(node, what)
    if node is None or text is None:
        return ""
    word = _word(reader, node, text, scope)
    if word is not None and kind is not None and word.kind != kind:
        reader.note("wrong_kind", node, f"{what} must name a word that is {kind}, and `{text}` is {word.kind}")
    return text.removeprefix(TRIGGER)


def _word(reader: Reader, place: Node, written: str, scope: Scope) -> Word | None:
    """The declared word; None after noting that there is none, or when the event itself is unknown."""
    if scope.words is None:
        return None
    bare = written.removeprefix(TRIGGER)
    if bare in scope.words and written == scope.prefix + bare:
        return scope.words[bare]
    if bare in scope.words:
        message = f"the words of the trigger are written `{TRIGGER}word`" if scope.prefix else "words are bare here"
        reader.note("unknown_word", place, f"{message}, not `{written}`", suggestion=scope.prefix + bare)
        return None
    first = written.split(".")[0]
    later = {written} if first in _LATER else ()
    message = f"`{cut(written)}` is no word of this event"
    reader.unknown("unknown_word", place, message, written, [*scope.names(), *_JOINTS], later)
    return None


def _comparisons(reader: Reader, place: Node, written: str, node: Node, scope: Scope) -> list[Condition]:
    word = _word(reader, place, written, scope)
    if word is None:
        return []
    if not isinstance(node, Mapping):
        example = f"{{ {OPERATORS[word.kind][0]}: ... }}"
        reader.note("wrong_shape", node, f"`{written}` needs a comparison such as {example}, not {shown(node)}")
        return []
    if not node.entries:
        reader.note("empty", node, f"`{written}` needs a comparison")
    return [_comparison(reader, name, written, word.kind, operand) for name, operand in node.entries.values()]


def _comparison(reader: Reader, name: Scalar, written: str, kind: Kind, node: Node) -> Condition:
    operator = _operator(reader, name, written, kind)
    if operator is None:
        return _NOTHING
    what = f"`{written}` is {kind}; its operand"
    operand: Any = None
    if operator in _OPPOSITE:
        operator = operator if reader.boolean(node, f"`{operator}`", default=True) else _OPPOSITE[operator]
    elif operator in ("in", "not_in"):
        operand = [_operand(reader, part, kind, what) for part in reader.items(node, f"`{operator}`")]
    else:
        operand = _operand(reader, node, kind, what)
    return Compare(word=written.removeprefix(TRIGGER), kind=kind, operator=operator, operand=operand)


def _operator(reader: Reader, name: Scalar, written: str, kind: Kind) -> Operator | None:
    known = OPERATORS[kind]
    for operator in known:
        if operator == name.text:
            return operator
    if name.text in get_args(Operator):
        reader.note("wrong_kind", name, f"`{written}` is {kind}, which has no `{name.text}`; it has {listed(known)}")
    else:
        message = f"there is no operator `{cut(name.text)}`; {kind} has {listed(known)}"
        reader.unknown("unknown_operator", name, message, name.text, known)
    return None


def _operand(reader: Reader, node: Node, kind: Kind, what: str) -> Any:
    if kind == "number":
        return reader.number(node, what)
    if kind == "money":
        return money(reader, node, what)
    if kind == "instant":
        return instant(reader, node, what)
    return reader.text(node, what)  # the parts of a list are compared as text


def money(reader: Reader, node: Node, what: str) -> list[str]:
    """`{ money: "20.00", currency: USD }` as [amount, currency]."""
    if not isinstance(node, Mapping):
        expected = f'{what} must be {{ money: "20.00", currency: USD }}, not {shown(node)}'
        reader.note("wrong_kind", node, expected)
        return ["0", ""]
    found = reader.fields(node, "an amount of money", required=("money", "currency"))
    amount = reader.text(found.get("money"), "`money`")
    currency = reader.text(found.get("currency"), "`currency`")
    if amount is not None and not re.fullmatch(AMOUNT_PATTERN, amount, re.ASCII):
        message = f'`money` must be a decimal such as "20.00", not {shown(found["money"])}'
        reader.note("bad_money", found["money"], message)
    if currency is not None and not re.fullmatch("[A-Z]{3}", currency):
        message = f"`currency` must be an ISO 4217 code such as USD, not {shown(found['currency'])}"
        reader.note("bad_money", found["currency"], message)
    return [amount or "0", currency or ""]


def instant(reader: Reader, node: Node, what: str) -> int:
    """An RFC 3339 time with an offset, in milliseconds."""
    text = reader.text(node, what)
    try:
        return 0 if text is None else from_wire(text)
    except (ValueError, OverflowError):
        expected = f"{what} must be a time such as 2026-11-21T10:00:00Z, not {shown(node)}"
        reader.note("bad_instant", node, expected)
        return 0
