"""What flow files say of the calendar and the wall clock: spans, times of the day, weekdays, zones, dates."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from typing import Literal, NamedTuple

from schemas.flow import ZONE_ORDER, Timezone
from schemas.span import Span
from streams.clock.span import DAYS_MAX, MONTHS_MAX, SPAN, parse_span
from streams.clock.wall import parse_time, parse_weekdays
from streams.clock.zones import is_zone, zone_names
from streams.flowfile import durations
from streams.flowfile.nodes import Listing, Node, Scalar, shown
from streams.flowfile.reader import Reader

Side = Literal["before", "after"]
_NOTHING = Span()


def span(reader: Reader, node: Node | None, what: str, *, least_ms: int = 1) -> Span:
    """`1d12h`, `6mo`: months and days by the calendar, the rest exact."""
    reader.asks(node, "span")
    scalar = reader.scalar(node, what)
    if scalar is None:
        return _NOTHING
    found = parse_span(scalar.text)
    if found is None and scalar.text and SPAN.fullmatch(scalar.text):
        message = f"{what} may be {MONTHS_MAX}mo, and {DAYS_MAX}d beside them, and not {shown(scalar)}"
        reader.note("out_of_range", scalar, message, advice=f"Write `{MONTHS_MAX}mo` or less.")
        return _NOTHING
    if found is None:
        expected = f"{what} must be a span such as 15m, 4h, 1d12h, 2w or 6mo, at most {MONTHS_MAX}mo or {DAYS_MAX}d"
        reader.note("bad_duration", scalar, f"{expected}, not {shown(scalar)}", suggestion=_nearest(scalar.text))
        return _NOTHING
    if least_ms and found == _NOTHING:
        reader.note(
            "out_of_range",
            scalar,
            f"{what} must be longer than 0, not {shown(scalar)}",
            advice="Write `1m` or more, or leave it out.",
        )
    return found


def _nearest(text: str) -> str | None:
    """`6mo` for `6 months`, `15m` for `15 minutes`."""
    number, _, unit = text.strip().partition(" ")
    if number.isdigit() and unit.lower().startswith(("month", "year")):
        return number + ("mo" if unit.lower().startswith("month") else "y")
    return durations.suggest(text)


def time_of_day(reader: Reader, node: Node | None, what: str) -> int:
    """`"09:00"` or `"09:00:30"`, in milliseconds after midnight."""
    reader.asks(node, "time")
    text = reader.text(node, what)
    if node is None or text is None:
        return 0
    found = parse_time(text)
    if found is None:
        message = f'{what} must be a time of the day such as "09:00", not {shown(node)}'
        near = nearest_time(text)
        reader.note("bad_time", node, message, suggestion=near if near and parse_time(near) is not None else None)
    return found or 0


def nearest_time(text: str) -> str | None:
    """`09:00` for `9:00` or `9.00`; None when that is no time either."""
    digits = re.fullmatch(r"([0-9]{1,2})[:.]([0-9]{2})", text.strip())
    padded = f"{digits[1]:0>2}:{digits[2]}" if digits else ""
    return padded if parse_time(padded, end=True) is not None else None


def weekdays(reader: Reader, node: Node | None, what: str) -> tuple[int, ...]:
    """`[mon-fri]` or `[sat, sun]`; every day when the key is absent, which is the empty tuple."""
    if node is None:
        return ()
    reader.asks(node, "weekdays")
    nodes = node.items if isinstance(node, Listing) else (node,)
    words = [reader.text(part, what) or "" for part in nodes]
    found = parse_weekdays(words)
    if found is None and all(words):
        wrong = next((part for part, word in zip(nodes, words, strict=True) if parse_weekdays([word]) is None), node)
        reader.note("bad_choice", wrong, f"{what} must be weekdays such as [mon-fri] or [sat, sun], not {shown(wrong)}")
    return tuple(sorted(found or ()))


def zone(reader: Reader, node: Node | None, what: str) -> str:
    """The name of a zone of the database."""
    reader.asks(node, "zone")
    text = reader.text(node, what)
    if node is not None and text is not None and not is_zone(text):
        message = f"{what} must be a time zone such as Europe/Berlin or UTC, not {shown(node)}"
        reader.unknown("unknown_zone", node, message, text, zone_names())
        return "UTC"
    return text or "UTC"


def timezone(reader: Reader, node: Node | None) -> Timezone:
    """`timezone: Europe/Berlin`, for everybody; or `{ from: [profile, phone, storefront], default: UTC }`."""
    if node is None:
        return Timezone()
    if isinstance(node, Scalar):
        return Timezone(sources=(), default=zone(reader, node, "`timezone`"))
    found = reader.fields(node, "`timezone`", required=("default",), optional=("from",))
    named = reader.items(found.get("from"), "`from`")
    sources = tuple(reader.choice(part, "a part of `from`", ZONE_ORDER) for part in named)
    return Timezone(
        sources=sources if "from" in found else ZONE_ORDER, default=zone(reader, found.get("default"), "`default`")
    )


class Distance(NamedTuple):
    """How far from a date, and at which time of that day."""

    span: Span
    side: Side
    at_ms: int | None


DISTANCE_KEYS = ("before", "after", "at")


def distance(reader: Reader, found: MappingOf[str, Node]) -> Distance:
    """The keys `before` or `after`, and `at`, of a mapping that has been read."""
    if "before" in found and "after" in found:
        reader.note(
            "bad_choice",
            found["after"],
            "a date has either `before` or `after`, not both",
            advice="Keep one of the two.",
        )
    side: Side = "before" if "before" in found else "after"
    at_ms = time_of_day(reader, found["at"], "`at`") if "at" in found else None
    return Distance(span(reader, found.get(side), f"`{side}`", least_ms=0), side, at_ms)
