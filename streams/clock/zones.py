"""Time zones by name, and which one counts for a person.

They come from the IANA database in the package `tzdata`, whose version the lock file pins, and never from the machine:
the same flow decides the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

import tzdata

from streams.clock.calling_codes import COUNTRIES

DATABASE: str = tzdata.IANA_VERSION

_ALIKE_FROM, _ALIKE_UNTIL = 1_704_067_200_000, 1_988_150_400_000  # 2024 to 2032
_DAY_MS = 86_400_000
_MILLISECOND = timedelta(milliseconds=1)
_UNSET = "Factory"  # stands in the database for "nobody has set a zone"
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_CODE_LENGTH_MAX = max(map(len, COUNTRIES))


class Zone(NamedTuple):
    """The name of a zone, and who said so: `profile`, `phone`, `storefront` or `flow`."""

    name: str
    source: str


def is_zone(name: str) -> bool:
    """Whether the database has this name, letter by letter. Offsets such as `+02:00` are no zones."""
    return name in zone_names()


def resolve(candidates: Iterable[tuple[str, str | None]], *, default: str) -> tuple[Zone, tuple[str, ...]]:
    """The first candidate (source, name) that is a zone, else the flow's default; then who named one that is none.

    None is nobody's fault: that source knows no zone. Candidates behind the first good one are not looked at.
    """
    invalid: list[str] = []
    for source, name in candidates:
        if name is None:
            continue
        if is_zone(name):
            return Zone(name, source), tuple(invalid)
        invalid.append(source)
    return Zone(default, "flow"), tuple(invalid)


def zone_of_phone(number: str) -> str | None:
    """The zone of an E.164 number, if all countries that share its code keep the same time from 2024 to 2032.

    Countries by code: `streams.clock.calling_codes`, after the list of ITU-T E.164; zones by country: the database. So
    `+49…` has one; `+34…` (the Canaries), `+7…`, `+61…`, `+55…` and a `+1…` of North America have none.
    """
    if _E164.fullmatch(number) is None:
        return None
    for length in range(_CODE_LENGTH_MAX, 0, -1):
        countries = COUNTRIES.get(number[1 : 1 + length])
        if countries is not None:
            return _shared(countries)
    return None


@lru_cache(maxsize=512)
def zone_of_country(code: str) -> str | None:
    """The zone of an ISO 3166 country (`DE`), if all its zones keep the same time from 2024 to 2032."""
    return _shared((code,))


@lru_cache(maxsize=512)
def _shared(countries: tuple[str, ...]) -> str | None:
    names = [name for code in countries for name in _zones_by_country().get(code, ())]
    if not names:
        return None
    first = _changes(names[0])
    return names[0] if all(_changes(name) == first for name in names[1:]) else None


@lru_cache(maxsize=1)
def _zones_by_country() -> dict[str, list[str]]:
    """By `zone.tab`, in its order, the zone of most people first."""
    zones: dict[str, list[str]] = {}
    for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            code, _, name = line.split("\t")[:3]
            zones.setdefault(code, []).append(name)
    return zones


def _changes(name: str) -> tuple[tuple[int, int], ...]:
    """From when on which offset holds. Looked for day by day: no zone changes twice within one."""
    zone = zone_info(name)
    found = [(_ALIKE_FROM, _offset_at(_ALIKE_FROM, zone))]
    for at in range(_ALIKE_FROM, _ALIKE_UNTIL, _DAY_MS):
        if _offset_at(at + _DAY_MS, zone) != found[-1][1]:
            change_at = first_change(zone, after=at, until=at + _DAY_MS)
            found.append((change_at, _offset_at(change_at, zone)))
    return tuple(found)


@lru_cache(maxsize=1024)
def zone_info(name: str) -> ZoneInfo:
    """The zone of this name. Raises ValueError when the database has none: names are asked with `is_zone` before."""
    if not is_zone(name):
        raise ValueError(f"{name!r} is no zone of the database {DATABASE}; write one such as Europe/Berlin")
    with (files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """All of the database."""
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split()) - {_UNSET}


def first_change(zone: ZoneInfo, *, after: int, until: int) -> int:
    """The first instant with another offset than that of `after`; `until` has one."""
    offset = _offset_at(after, zone)
    while until - after > 1:
        middle = (after + until) // 2
        if _offset_at(middle, zone) == offset:
            after = middle
        else:
            until = middle
    return until


def _offset_at(at: int, zone: ZoneInfo) -> int:
    return offset_ms(datetime.fromtimestamp(at // 1000, zone))


def offset_ms(shown: datetime) -> int:
    """How far the clock that shows this is ahead of UTC."""
    offset = shown.utcoffset()
    assert offset is not None, "every zone of the database has an offset at every time"
    return offset // _MILLISECOND
