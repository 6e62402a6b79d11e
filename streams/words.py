"""The words of an event: typed values under the names that flow files use. Decoded only when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import msgspec

from schemas import codec, instants
from schemas.catalog import Kind, words_of
from schemas.event import NONE, LoggedEvent, LoggedMoney

#: A declared word as it is looked for in a part of an event: its name, its name there, None for the part itself, and
#: its kind. A plain tuple, because it is taken apart for every event.
Asked = tuple[str, str | None, Kind]
Parts = tuple[tuple[str, tuple[Asked, ...]], ...]


_json = msgspec.json.Decoder()


def by_part(type_: str, names: Container[str] | None = None, *, declared: Iterable[tuple[str, Kind]] = ()) -> Parts:
    """The words of a type, or those of these names, by the part of the event that holds them: it is decoded once.

    `declared` are the words that flows declare of a type of one's own, perhaps one name with several kinds.
    """
    parts: dict[str, list[Asked]] = {}
    for name, word in words_of(type_).items():
        if names is None or name in names:
            top, *below = word.path
            assert len(below) < 2, "words stand in a part of the event or are one"
            parts.setdefault(top, []).append((name, below[0] if below else None, word.kind))
    for name, kind in declared:
        if names is None or name in names:
            parts.setdefault("properties", []).append((name, name, kind))
    return tuple((top, tuple(words)) for top, words in parts.items())


def select(event: LoggedEvent, parts: Parts, decoded: dict[str, Any] | None = None) -> dict[str, Any]:
    """The words among these that the event has. A value of another kind is left out: unknown.

    `decoded` are parts of this event from an earlier call, and takes those of this one. Raises Undecodable when a part
    of the event is no JSON.
    """
    try:
        return _select(event, parts, {} if decoded is None else decoded)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise codec.Undecodable(str(error)) from error


def _select(event: LoggedEvent, parts: Parts, decoded: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for top, words in parts:
        if top in decoded:
            part = decoded[top]
        else:
            part = decoded[top] = _part(event, top)
        if part is None:
            continue
        is_object = isinstance(part, dict)
        for name, below, kind in words:
            value = part if below is None else part.get(below) if is_object else None
            # Most words are texts, and most of them are not there.
            if value is not None and (isinstance(value, str) if kind == "text" else _KINDS[kind](value)):
                found[name] = value
    return found


def _part(event: LoggedEvent, top: str) -> Any:
    value = getattr(event, top)
    if value is None or value is NONE:
        return None
    if isinstance(value, msgspec.Raw):
        return _json.decode(value)
    return {"amount": value.amount, "currency": value.currency} if isinstance(value, LoggedMoney) else value


def is_kind(value: Any, kind: Kind) -> bool:
    """Whether a JSON value is of a declared kind."""
    return _KINDS[kind](value)


def as_number(value: Any) -> Decimal | None:
    """A JSON number or decimal string as an exact number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return _number(str(value))


@lru_cache(maxsize=1024)
def _number(text: str) -> Decimal | None:
    """The amount of an event is asked for several times."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def as_money(value: Any) -> tuple[Decimal, str] | None:
    """(amount, currency) of a money object."""
    if not isinstance(value, dict):
        return None
    amount, currency = value.get("amount"), value.get("currency")
    number = _number(amount) if isinstance(amount, str) else None
    return (number, currency) if number is not None and isinstance(currency, str) else None


def as_date(value: Any) -> str | None:
    """A day of the calendar, as text that sorts: 2026-11-21."""
    try:
        return value if isinstance(value, str) and date.fromisoformat(value).isoformat() == value else None
    except ValueError:
        return None


def as_instant(value: Any) -> int | None:
    """The instant of an RFC 3339 text with an offset."""
    try:
        return instants.from_wire(value)
    except (ValueError, TypeError):
        return None


_KINDS: dict[Kind, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "instant": lambda value: isinstance(value, str) and as_instant(value) is not None,
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "money": lambda value: as_money(value) is not None,
    "date": lambda value: as_date(value) is not None,
    "number": lambda value: as_number(value) is not None,
}
