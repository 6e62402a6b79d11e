"""The words of an event: typed values under the names that flow files use. Decoded only when somebody asks."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from schemas import codec, instants
from schemas.catalog import Kind, Word, words_of
from schemas.event import NONE, Event


def all_words(event: Event, *, type_: str) -> dict[str, Any]:
    """Every declared word that an event of this short name has. A value of another kind is left out: unknown.

    Raises Undecodable when a part of the event is no JSON, or holds what no state can keep.
    """
    try:
        found = select(event, words_of(type_))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise codec.Undecodable(str(error)) from error
    codec.packed_size(found)
    return found


def select(event: Event, words: dict[str, Word]) -> dict[str, Any]:
    """The given words of an event; each part of it is decoded at most once."""
    parts: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for name, word in words.items():
        value = _look(event, word.path, parts)
        if value is not None and is_kind(value, word.kind):
            found[name] = value
    return found


def _look(event: Event, path: tuple[str, ...], parts: dict[str, Any]) -> Any:
    top = path[0]
    if top not in parts:
        value = getattr(event, top)
        if isinstance(value, msgspec.Raw):
            value = None if value is NONE else msgspec.json.decode(value)
        elif isinstance(value, msgspec.Struct):
            value = msgspec.to_builtins(value)
        parts[top] = value
    value = parts[top]
    for name in path[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def is_kind(value: Any, kind: Kind) -> bool:
    """Whether a JSON value is of a declared kind."""
    if kind in ("text", "instant"):
        return isinstance(value, str) and (kind == "text" or as_instant(value) is not None)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "list":
        return isinstance(value, list)
    if kind == "money":
        return as_money(value) is not None
    return as_number(value) is not None


def as_number(value: Any) -> Decimal | None:
    """A JSON number or decimal string as an exact number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def as_money(value: Any) -> tuple[Decimal, str] | None:
    """(amount, currency) of a money object."""
    if not isinstance(value, dict):
        return None
    amount, currency = value.get("amount"), value.get("currency")
    number = as_number(amount) if isinstance(amount, str) else None
    return (number, currency) if number is not None and isinstance(currency, str) else None


def as_instant(value: Any) -> int | None:
    """The instant of an RFC 3339 text with an offset."""
    try:
        return instants.from_wire(value)
    except (ValueError, TypeError):
        return None
