"""When waits are over, and where people are, from the sentences of `docs/semantics.md`, section 5."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from tests.oracle import clock
from tests.oracle.records import instant

WAITS = ("wait", "wait_event")
PLACES = ("profile", "phone", "storefront")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Countries with one time for all; the other numbers of these scenarios have none.
ZONE_OF_CODE = {"+49": "Europe/Berlin", "+81": "Asia/Tokyo"}
ZONE_OF_COUNTRY = {"AT": "Europe/Vienna", "DE": "Europe/Berlin", "JP": "Asia/Tokyo"}
MINUTE_MS = 60_000
MS_OF = {"d": 0, "mo": 0, "h": 60 * MINUTE_MS, "m": MINUTE_MS, "s": 1_000, "ms": 1}


class Timezone(NamedTuple):
    """Who is asked for the zone of a person, and which one it is when nobody knows."""

    sources: Sequence[str]
    default: str


def timezone(raw: Any) -> Timezone:
    """As a flow file says it."""
    if isinstance(raw, dict):
        return Timezone(raw.get("from", PLACES), raw["default"])
    return Timezone((), raw) if raw else Timezone(PLACES, "UTC")


def zone(
    timezone: Timezone,
    phone: str | None,
    *,
    stated: Any = None,
    country: Any = None,
    storefront: str | None = None,
    zones: Mapping[str, str] | None = None,
) -> str:
    """Semantics 5.5: of those who are asked, the first who knows a zone that there is; else the flow's."""
    by_phone = ZONE_OF_CODE.get((phone or "")[:3]) or ZONE_OF_COUNTRY.get(country)
    known = {
        "profile": stated if stated and stated in clock.names() else None,
        "phone": by_phone,
        "storefront": (zones or {}).get(storefront or ""),
    }
    return str(next((known[one] for one in timezone.sources if known[one]), timezone.default))


def after(at: int, span: str, zone: str, *, back: bool = False) -> int:
    """So long after an instant, or before it."""
    parts = {unit: int(count) for count, unit in re.findall(r"(\d+)(mo|ms|d|h|m|s)", span)}
    sign = -1 if back else 1
    exact = sum(count * MS_OF[unit] for unit, count in parts.items())
    return clock.add(at, months=sign * parts.get("mo", 0), days=sign * parts.get("d", 0), ms=sign * exact, zone=zone)


def by_calendar(body: dict[str, Any]) -> bool:
    """Does this wait depend on where the person is?"""
    span = body.get("for", body.get("timeout"))
    return span is None or re.search(r"\d(d|mo)", span) is not None


def ends_at(body: dict[str, Any], *, begun: int, words: dict[str, Any], zone: str) -> int | str:
    """The end of a wait that began then; or why there is none."""
    if "for" in body or "timeout" in body:
        return after(begun, body.get("for") or body["timeout"], zone)
    if "until" in body:
        return _next(begun, body["until"], body.get("on", DAYS), zone)
    moment = moment_of(body.get("said", words.get(body["until_date"].removeprefix("trigger."))), body, zone)
    if moment is None:
        return "date_missing"
    if moment >= begun:
        return moment
    return "date_past" if body.get("when_past") == "stop" else begun


def moment_of(said: Any, body: dict[str, Any], zone: str) -> int | None:
    """Of a date that somebody says: so long before or after it, at that time of that day."""
    moment = _date(said, zone) if isinstance(said, str) else None
    if moment is None:
        return None
    for side in ("before", "after"):
        if side in body:
            moment = after(moment, body[side], zone, back=side == "before")
    if "at" in body:
        moment = clock.instant_of(clock.local(moment, zone)[0], ms_of_day(body["at"]), zone)
    return moment


def span_ms(duration: str) -> int:
    """Of a duration, whose days are 24 hours."""
    exact = MS_OF | {"d": 24 * 60 * MINUTE_MS, "w": 7 * 24 * 60 * MINUTE_MS}
    return sum(int(count) * exact[unit] for count, unit in re.findall(r"(\d+)(ms|w|d|h|m|s)", duration))


def _date(said: str, zone: str) -> int | None:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", said):
        return clock.instant_of(date.fromisoformat(said), 0, zone)
    return instant(said) if re.match(r"\d{4}-\d\d-\d\dT", said) else None


def _next(at: int, clock_time: str, days: Sequence[str], zone: str) -> int:
    today = clock.local(at, zone)[0]
    allowed = [today + timedelta(days=number) for number in range(-1, 10)]
    named = {DAYS[number] for word in days for number in weekdays_of(word)}
    moments = [clock.instant_of(day, ms_of_day(clock_time), zone) for day in allowed if DAYS[day.weekday()] in named]
    return next(moment for moment in moments if moment >= at)


def weekdays_of(word: str) -> range:
    """Of `mon-fri`, or of `tue`."""
    first, _, last = word.partition("-")
    return range(DAYS.index(first), DAYS.index(last or first) + 1)


def ms_of_day(clock_time: str) -> int:
    hours, minutes = clock_time.split(":")
    return (int(hours) * 60 + int(minutes)) * MINUTE_MS


def arm(salt: str, who: str, weights: dict[str, int]) -> str:
    """Semantics 13.1: each arm draws from a keyed hash; the smallest -ln(draw) for its weight has the person."""
    scores = {
        name: -math.log((draw(salt, who, f"arm {name}") + 1) / 2**64) / weight for name, weight in weights.items()
    }
    return min(scores, key=lambda name: scores[name])


def held_out(salt: str, who: str, percent: float) -> bool:
    """Drawn beside the arms."""
    return draw(salt, who, "holdout") / 2**64 < percent / 100


def draw(salt: str, who: str, what: str) -> int:
    """From 0 to 2^64 - 1."""
    key = blake2b(salt.encode(), digest_size=32).digest()
    return int.from_bytes(blake2b(f"{who}\x1f{what}".encode(), key=key, digest_size=8).digest(), "big")
