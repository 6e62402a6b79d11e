"""One event line of a timeline: the words of the flow to a canonical event.

`profile: p1` becomes a known person with an address, `anonymous: b1` a browser; every other word goes where the catalog
says it stands in the envelope.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from typing import Any, NamedTuple

from schemas import codec
from schemas.catalog import BY_SHORT, Word, words_of
from schemas.event import Event
from schemas.facts import STATING
from schemas.identity import Identity, profile_id, strongest
from schemas.instants import from_wire, to_wire
from schemas.money import AMOUNT_PATTERN
from streams.flowfile.comparisons import date, instant, money
from streams.flowfile.nodes import Listing, Mapping, Node, Scalar, shown
from streams.flowfile.reader import Reader
from streams.timeline import DAY

TENANT = "test"
CURRENCY_DEFAULT = "USD"
PHONE = "+12025550100"  # everybody's: people are told apart by their names; of a country with many zones, so of none
LATEST_AT = from_wire("2200-01-01T00:00:00Z")  # so that every wait from here still ends at a time that can be written

Words = MappingOf[str, Word]
NO_WORDS: Words = {}
WHO = ("profile", "anonymous")
_CLOCK_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{3})?)?")


class Envelope(NamedTuple):
    """What stands around the words of an event."""

    id: str
    source: str
    time: str
    dedupe_key: str | None
    backfill: bool


def time_of(reader: Reader, node: Node | None, what: str, *, default: int = 0) -> int:
    """`10:40` or `10:40:05` on the day of the timeline, or a full RFC 3339 time; in milliseconds."""
    text = reader.text(node, what)
    if node is None or text is None:
        return default
    try:
        found = from_wire(f"{DAY}T{text}Z" if _CLOCK_TIME.fullmatch(text) else text)
    except (ValueError, OverflowError):
        found = -1
    if not 0 <= found < LATEST_AT:
        expected = f'{what} must be a time such as "10:40", "10:40:05" or "{DAY}T10:40:00Z", not {shown(node)}'
        reader.note("bad_time", node, expected)
        return default
    return found


def event(
    reader: Reader, node: Node, *, short: str, envelope: Envelope, people: dict[str, str], declared: Words = NO_WORDS
) -> Event | None:
    """The event, or None after noting what is wrong with it. `people` learns who it is about.

    `declared` are the words that the flow declares of a type of one's own, and the facts that can be stated. Of a fact
    null is said, too: it unsets.
    """
    mistakes = len(reader.findings)
    type_ = BY_SHORT[short].name if short in BY_SHORT else "custom." + short.removeprefix("custom_")
    words = words_of(short) | dict(declared)
    found = reader.fields(node, f"`{short}`", optional=(*WHO, *words))
    if not isinstance(node, Mapping):
        return None
    identity = _identity(reader, node, found, people)
    wire: dict[str, Any] = {"type": type_, "tenant": TENANT, **envelope._asdict(), "identity": identity}
    for name in found.keys() - set(WHO):
        node = found[name]
        is_fact = short in STATING and words[name].path[0] == "properties"
        unsets = is_fact and isinstance(node, Scalar) and node.kind == "null"
        _put(wire, words[name].path, None if unsets else _value(reader, node, f"`{name}`", words[name]))
    if len(reader.findings) > mistakes:
        return None
    try:
        return codec.decode(codec.encode(wire), Event)
    except codec.Undecodable as error:
        reader.note("wrong_shape", node, f"this is no event: {error}")
        return None


def _identity(reader: Reader, node: Node, found: dict[str, Node], people: dict[str, str]) -> Identity:
    profile = reader.name(found.get("profile"), "`profile`") or None
    anonymous = reader.name(found.get("anonymous"), "`anonymous`") or None
    email = f"{profile}@example.test" if profile else None
    identity = Identity(external_id=profile, email=email, phone=PHONE if profile else None, anonymous_id=anonymous)
    who = strongest(identity)
    if who is None:
        reader.note(
            "missing_key",
            node,
            "an event needs `profile` or `anonymous`, and a name that identifies somebody",
            advice="Add `profile: NAME`.",
        )
        return identity
    people[profile_id(tenant=TENANT, kind=who[0], value=who[1])] = profile or anonymous or ""
    return identity


def _put(wire: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        wire = wire.setdefault(name, {})
    wire[path[-1]] = value


def _value(reader: Reader, node: Node, what: str, word: Word) -> Any:
    """A value of the kind of its word. A whole number may stand for text, and an amount alone for US dollars."""
    if word.kind == "money":
        amount, currency = _money(reader, node, what)
        return {"amount": amount, "currency": currency}
    if word.kind == "number":
        return reader.number(node, what)
    if word.kind == "boolean":
        return reader.boolean(node, what)
    if word.kind == "instant":
        return to_wire(instant(reader, node, what))
    if word.kind == "date":
        return date(reader, node, what)
    if word.kind == "list":
        return [_plain(item) for item in reader.items(node, what)]
    if isinstance(node, Scalar) and node.kind == "number" and node.text.isdigit():
        return node.text
    return reader.text(node, what)


def _money(reader: Reader, node: Node, what: str) -> list[str]:
    if isinstance(node, Scalar) and node.kind == "text" and re.fullmatch(AMOUNT_PATTERN, node.text):
        return [node.text, CURRENCY_DEFAULT]
    return money(reader, node, what)


def _plain(node: Node) -> Any:
    """Any JSON value; decimals stay text, so that nothing is rounded."""
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Listing):
        return [_plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    if node.kind == "boolean":
        return node.text.lower() == "true"
    if node.kind == "number" and re.fullmatch("-?[0-9]{1,15}", node.text):
        return int(node.text)
    return None if node.kind == "null" else node.text
