"""Comparisons: a word, or a fact, against operands of its kind.

    total: { gte: { money: "20.00", currency: USD } }
    channel_id: { in: ["2", "3"] }

Several operators of one word must all hold. An operand that is of another kind is the finding `wrong_kind`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import date as day
from typing import Any, get_args

from schemas.catalog import Kind, Word
from schemas.conditions import All, Compare, Condition, EventMatch, Operator
from schemas.facts import BUILT_IN, FactKind
from schemas.instants import from_wire
from schemas.money import AMOUNT_PATTERN, CURRENCIES
from streams.flowfile.nodes import Mapping, Node, Scalar, cut, shown
from streams.flowfile.reader import FACT, TRIGGER, EventAsked, Reader, listed

_OPPOSITE: dict[str, Operator] = {
    "is_set": "is_not_set",
    "is_not_set": "is_set",
    "is_true": "is_false",
    "is_false": "is_true",
}
_PARTS: tuple[Operator, ...] = ("contains", "not_contains", "starts_with")
_PRESENCE: tuple[Operator, ...] = ("is_set", "is_not_set")
_ORDER: tuple[Operator, ...] = ("eq", "ne", "gt", "gte", "lt", "lte")
OPERATORS: dict[Kind, tuple[Operator, ...]] = {
    "text": ("eq", "ne", "in", "not_in", "contains", "not_contains", "starts_with", *_PRESENCE),
    "number": (*_ORDER, "in", "not_in", *_PRESENCE),
    "money": (*_ORDER, *_PRESENCE),
    "boolean": ("is_true", "is_false", *_PRESENCE),
    "instant": (*_ORDER, *_PRESENCE),
    "date": (*_ORDER, *_PRESENCE),
    "list": ("contains", "not_contains", "in", "not_in", *_PRESENCE),
}
NOTHING = All(parts=())


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition may speak of, where it stands.

    Bare words of an event (`where`); with the prefix `trigger.` those of the trigger, beside the person (steps, filter,
    exit rules); or the words of an item. `words` None: the event is not known, so every word passes.
    """

    words: MappingOf[str, Word] | None
    prefix: str = ""  # `trigger.` where the words are not those of the event at hand
    person: bool = False  # predicates on the person are allowed
    facts: MappingOf[str, FactKind] = field(default_factory=lambda: BUILT_IN)
    denied: bool = False  # it stands under a `not`, or an odd number of them
    event: EventMatch | None = None  # whose words they are; None for those of an item

    def names(self) -> list[str]:
        """The words as they are written here."""
        return [self.prefix + word for word in self.words or ()]


def trigger_word(reader: Reader, node: Node | None, what: str, scope: Scope, *, kind: Kind | None = None) -> str:
    """A reference such as `trigger.checkout_id`, as the bare word; of one kind, if one is asked for."""
    reader.asks(node, "word", prefix=scope.prefix)
    text = reader.text(node, what)
    if node is None or text is None:
        return ""
    word = _word(reader, node, text, scope)
    if word is not None and kind is not None and word.kind != kind:
        reader.note(
            "wrong_kind",
            node,
            f"{what} must name a word that is {kind}, and `{text}` is {word.kind}",
            advice=f"Take one that is {kind}{_such_as(scope, kind)}.",
        )
    return text.removeprefix(TRIGGER)


def _such_as(scope: Scope, kind: Kind) -> str:
    found = next((name for name, word in (scope.words or {}).items() if word.kind == kind), None)
    return f", such as `{scope.prefix}{found}`" if found else ""


def _word(reader: Reader, place: Node, written: str, scope: Scope, beside: Iterable[str] = ()) -> Word | None:
    """The declared word; None after noting that there is none, or when the event itself is unknown."""
    if scope.words is None:
        return None
    bare = written.removeprefix(TRIGGER)
    if bare in scope.words and written == scope.prefix + bare:
        if scope.event is not None:
            reader.events.append(EventAsked(place, scope.event, bare))
        return scope.words[bare]
    if bare in scope.words:
        message = f"the words of the trigger are written `{TRIGGER}word`" if scope.prefix else "words are bare here"
        reader.note("unknown_word", place, f"{message}, not `{written}`", suggestion=scope.prefix + bare)
        return None
    message = f"`{cut(written)}` is no word of this event"
    reader.unknown("unknown_word", place, message, written, [*scope.names(), *beside])
    return None


def of_word(
    reader: Reader, place: Node, written: str, node: Node, scope: Scope, beside: Iterable[str]
) -> list[Condition]:
    """Compile the comparisons of one word; `beside` is what else could stand there."""
    word = _word(reader, place, written, scope, beside)
    return [] if word is None else comparisons(reader, written, word.kind, node)


def comparisons(reader: Reader, written: str, kind: Kind, node: Node) -> list[Condition]:
    """Compile the comparisons of something of a kind."""
    if not isinstance(node, Mapping):
        example = f"{{ {OPERATORS[kind][0]}: ... }}"
        reader.note("wrong_shape", node, f"`{written}` needs a comparison such as {example}, not {shown(node)}")
        return []
    if not node.entries:
        reader.note(
            "empty", node, f"`{written}` needs a comparison", advice=f"Write `{OPERATORS[kind][0]}: ...` in it."
        )
    return [_comparison(reader, name, written, kind, operand) for name, operand in node.entries.values()]


def _comparison(reader: Reader, name: Scalar, written: str, kind: Kind, node: Node) -> Condition:
    operator = _operator(reader, name, written, kind)
    if operator is None:
        return NOTHING
    what = f"`{written}` is {kind}; its operand"
    operand: Any = None
    if operator in _OPPOSITE:
        operator = operator if reader.boolean(node, f"`{operator}`", default=True) else _OPPOSITE[operator]
    elif operator in ("in", "not_in"):
        operand = [_operand(reader, part, kind, what) for part in reader.items(node, f"`{operator}`")]
    else:
        operand = _operand(reader, node, kind, what)
        if operand == "" and operator in _PARTS:
            message = f"the operand of `{operator}` must not be empty, which is a part of every text"
            reader.note("empty", node, message, advice="Write the part to look for, or ask `is_set: true`.")
    return Compare(word=written.removeprefix(TRIGGER), kind=kind, operator=operator, operand=operand)


def _operator(reader: Reader, name: Scalar, written: str, kind: Kind) -> Operator | None:
    known = OPERATORS[kind]
    for operator in known:
        if operator == name.text:
            return operator
    if name.text in get_args(Operator):
        message = f"`{written}` is {kind}, which has no `{name.text}`; it has {listed(known)}"
        reader.note("wrong_kind", name, message, advice=f"Compare it by one of those, `{known[0]}` for one.")
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
    if kind == "date":
        return date(reader, node, what)
    text = reader.text(node, what)  # the parts of a list are compared as text
    if text is not None and text.startswith((TRIGGER, FACT)):
        message = f"{what} must be what stands there itself; a word is not compared with another one, as `{cut(text)}`"
        reader.note("out_of_place", node, message, advice="Write the value itself, in quotes if it is text.")
    return text


def money(reader: Reader, node: Node, what: str) -> list[str]:
    """`{ money: "20.00", currency: USD }` as [amount, currency]."""
    if not isinstance(node, Mapping):
        expected = f'{what} must be {{ money: "20.00", currency: USD }}, not {shown(node)}'
        reader.note("wrong_kind", node, expected, advice=_money_of(node))
        return ["0", ""]
    found = reader.fields(node, "an amount of money", required=("money", "currency"))
    amount = reader.text(found.get("money"), "`money`")
    currency = reader.text(found.get("currency"), "`currency`")
    if amount is not None and not re.fullmatch(AMOUNT_PATTERN, amount, re.ASCII):
        message = f'`money` must be a decimal such as "20.00", not {shown(found["money"])}'
        reader.note("bad_money", found["money"], message)
    if currency is not None and currency not in CURRENCIES:
        message = f"`currency` must be an ISO 4217 code such as USD, not {shown(found['currency'])}"
        near = currency.upper() if currency.upper() in CURRENCIES else None
        reader.note("bad_money", found["currency"], message, suggestion=near)
    return [amount or "0", currency or ""]


def _money_of(node: Node) -> str:
    """`{ money: "20", currency: USD }` for `20`."""
    written = node.text if isinstance(node, Scalar) and re.fullmatch(AMOUNT_PATTERN, node.text, re.ASCII) else "20.00"
    return f'Write `{{ money: "{written}", currency: USD }}`, with the currency that is meant.'


def instant(reader: Reader, node: Node, what: str) -> int:
    """An RFC 3339 time with an offset, in milliseconds."""
    text = reader.text(node, what)
    try:
        return 0 if text is None else from_wire(text)
    except (ValueError, OverflowError):
        expected = f"{what} must be a time such as 2026-11-21T10:00:00Z, not {shown(node)}"
        reader.note("bad_instant", node, expected)
        return 0


def date(reader: Reader, node: Node, what: str) -> str:
    """A day of the calendar, as text."""
    text = reader.text(node, what) or ""
    try:
        if text and day.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    if text:
        reader.note("bad_instant", node, f"{what} must be a date such as 2026-11-21, not {shown(node)}")
    return text
