"""The edge: bytes from outside to a canonical event, or a refusal that says why. Shared by intake and `replay`.

Canonical means: known fields only, everything else under `extra`; times in UTC with milliseconds; identifiers trimmed,
and only those that name somebody; no nulls and no defaults; members in the order of their names. What is canonical
already passes unchanged, so an event may come through here twice.

The published schema is the law. What stands before it here only gives common mistakes a reason of their own.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec

from schemas import bounds, instants
from schemas.catalog import TYPES, is_known_type
from schemas.codec import encode
from schemas.control import Watermark
from schemas.event import Event
from schemas.identity import KINDS, key_of, named
from schemas.limits import RECORD_BYTES_MAX
from schemas.refusals import Refused, missing, not_text, pointer, shown
from schemas.validation import validate, validate_event

Kind = Literal["event", "watermark", "end"]

_FIELDS = frozenset(Event.__struct_fields__)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_SECOND_LENGTH, _WIRE_LENGTH = len("2026-11-21T10:00:00"), len("2026-11-21T10:00:00.000Z")
# Both keep integers of any size exact.
_parse = msgspec.json.Decoder(strict=True).decode
_parse_shallow = msgspec.json.Decoder(bounds.shallow(), strict=True).decode


class Accepted(NamedTuple):
    """An event that passed: ready for the profile log."""

    key: bytes
    """The key of its profile, see `schemas.identity.profile_key`."""
    value: bytes
    """The canonical event, JSON."""
    type: str
    occurred_at: int
    """Milliseconds since the epoch."""


def accept(value: bytes | None, *, received_at: int) -> Accepted:
    """A canonical event from a record's value. Raises `Refused`."""
    return accept_event(parse(value), received_at=received_at)


def parse(value: bytes | None) -> dict[str, Any]:
    """The JSON object that a record's value holds, within all bounds. Raises `Refused`."""
    if not value:
        raise Refused("empty_record", "the record has no value; write one JSON object in it")
    if len(value) > RECORD_BYTES_MAX:
        found = f"the record has {len(value)} bytes; at most {RECORD_BYTES_MAX} are taken"
        raise Refused("too_large", f"{found}: leave out what flows do not ask for")
    try:
        document: dict[str, Any] = _parse_shallow(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _look_closer(value)
    if bounds.may_be_over(value):
        bounds.check(document)
    return document


def _look_closer(value: bytes) -> dict[str, Any]:
    """What is no JSON, no object, or nested too deeply: find out which."""
    try:
        document = _parse(value)
    except RecursionError:
        raise Refused("too_deep", "the JSON is nested beyond reading; flatten it") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable(value, error) from None
    if not isinstance(document, dict):
        raise Refused("not_an_object", f"the JSON is {shown(document)}; write one object, {{…}}, per record")
    bounds.check(document)
    return document


def kind(document: dict[str, Any]) -> Kind:
    """What a record of the raw topic is: an event, unless it only says `watermark` or `end`."""
    if "type" not in document:
        if "watermark" in document:
            return "watermark"
        if "end" in document:
            return "end"
    return "event"


def accept_event(document: dict[str, Any], *, received_at: int | None) -> Accepted:
    """A canonical event from a parsed one. Raises `Refused`.

    `received_at`: when it reached us, noted unless the event says so itself; None notes nothing.
    """
    _check_type(document)
    event = _arrange(document)
    identity = event["identity"] = _identify(event.get("identity"))
    occurred_at = read_time(event.get("time"), "time")
    event["time"] = instants.to_wire(occurred_at)
    if "received_at" in event:
        received_at = read_time(event["received_at"], "received_at")
    validate_event(event)
    if received_at is not None:
        event["received_at"] = instants.to_wire(received_at)
    event.pop("specversion", None)  # there is but one
    if event.get("backfill") is False:
        del event["backfill"]
    value = encode(event)
    if len(value) > RECORD_BYTES_MAX:
        raise Refused("too_large", f"in canonical form the event has {len(value)} bytes, over {RECORD_BYTES_MAX}")
    who, name = next(iter(identity.items()))
    return Accepted(key_of(event["tenant"], who, name), value, event["type"], occurred_at)


def accept_watermark(document: dict[str, Any], *, tenant: str | None = None) -> Watermark:
    """The watermark of a record that `kind` calls one; `tenant` is whose it is if it names none. Raises `Refused`."""
    said = document["watermark"]
    if not isinstance(said, dict):
        raise Refused("invalid_field", f"/watermark is {shown(said)}; write an object with source and tenant")
    said = {name: value for name, value in ({"tenant": tenant} | said).items() if value is not None}
    said["complete_through"] = instants.to_wire(
        read_time(said.get("complete_through"), "watermark", "complete_through")
    )
    validate(said, "watermark", within="watermark")
    return msgspec.convert(said, Watermark)


def read_time(text: Any, *path: str) -> int:
    """The instant that a field at `path` says. Raises `Refused`."""
    if text is None:
        raise missing(*path)
    if isinstance(text, str) and len(text) == _WIRE_LENGTH and text[_SECOND_LENGTH] == "." and text[-1] == "Z":
        second, milliseconds = _second(text[:_SECOND_LENGTH]), text[_SECOND_LENGTH + 1 : -1]
        if second is not None and milliseconds.isascii() and milliseconds.isdigit():
            return second + int(milliseconds)
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match and not match["offset"]:
        raise Refused(
            "time_without_offset", f"{pointer(path)} is {shown(text)}; end it with Z, or an offset such as +01:00"
        )
    try:
        if match and "1990" <= text[:4] <= "2999":
            return instants.from_wire(text.upper())
    except ValueError:  # no such day or hour
        pass
    advice = "write RFC 3339 with an offset, in the years 1990 to 2999, such as 2026-11-21T10:00:00.000Z"
    raise Refused("invalid_field", f"{pointer(path)} is {shown(text)}; {advice}")


@lru_cache(maxsize=4096)
def _second(text: str) -> int | None:
    """Of times in the form that we write ourselves, which many come in; those of one second are mostly together."""
    if not (_SECOND.fullmatch(text) and "1990" <= text[:4] <= "2999"):
        return None
    try:
        return instants.from_wire(text + "Z")
    except ValueError:
        return None


def _unreadable(value: bytes, error: Exception) -> Refused:
    """Why the JSON cannot be read. Text that is no UTF-8 is named as such even where the JSON is broken too."""
    try:
        value.decode()
    except UnicodeDecodeError as wrong:
        return Refused("invalid_utf8", f"byte {wrong.start} of the record is not UTF-8: {wrong.reason}; write UTF-8")
    return Refused("broken_json", f"{error}; write one JSON object per record")


def _check_type(document: dict[str, Any]) -> None:
    type_ = document.get("type")
    if type_ is None:
        raise missing("type")
    if not isinstance(type_, str):
        raise Refused("invalid_field", f"/type is {shown(type_)}; write a type of the catalog, or custom.*")
    if not is_known_type(type_):
        near = difflib.get_close_matches(type_[:128], TYPES, n=1)
        advice = f"did you mean {near[0]}?" if near else "take one of the catalog, or a custom.* of your own"
        raise Refused("unknown_type", f"/type is {shown(type_)}; {advice}")


def _arrange(document: dict[str, Any]) -> dict[str, Any]:
    """Known fields as they are, unknown ones under `extra`, which keeps what it already has of that name."""
    if "arrived_at" in document:
        raise Refused("invalid_field", "/arrived_at belongs in replay files; a topic tells itself when a record came")
    if document.keys() <= _FIELDS:
        return {name: value for name, value in document.items() if value is not None}
    event = {name: value for name, value in document.items() if value is not None and name in _FIELDS}
    unknown = {name: value for name, value in document.items() if name not in _FIELDS}
    if isinstance(event.get("extra", {}), dict):
        event["extra"] = unknown | event.get("extra", {})
    return event


def _identify(said: Any) -> dict[str, str]:
    """The identifiers that name somebody, normalized, strongest first; then what else stands there, untouched."""
    if said is not None and not isinstance(said, dict):
        raise Refused("invalid_field", f"/identity is {shown(said)}; write an object of identifiers")
    said = said or {}
    known = {}
    for who in KINDS:
        if who not in said or (value := said[who]) is None:
            continue
        if not isinstance(value, str):
            raise not_text(("identity", who), value)
        name = named(who, value)
        if name is not None:
            known[who] = name
    if not known:
        found = f"/identity names nobody ({', '.join(said)})" if said else "/identity is absent or empty"
        raise Refused("no_identity", f"{found}; give at least one of {', '.join(KINDS)}")
    if len(known) == len(said):
        return known
    return known | {who: value for who, value in said.items() if who not in KINDS and value is not None}
