"""What a shop asks of all messages, and the hours and caps of one, as the oracle reads them from YAML."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tests.oracle.clock import Hours
from tests.oracle.waits import ms_of_day, span_ms, weekdays_of

NOTHING: Mapping[str, str] = MappingProxyType({})


class Cap(NamedTuple):
    """At most `most` in `per_ms`, of the messages that have all that is named. `waits_ms`: None skips what is over."""

    group: str | None
    channel: str | None
    message_class: str | None
    storefront: str | None
    most: int
    per_ms: int
    waits_ms: int | None

    @property
    def name(self) -> str:
        """Semantics 8.10: after the group, else the channel, storefront or class."""
        return self.group or self.channel or self.storefront or self.message_class or "all"


class Policy(NamedTuple):
    """All of it; by default nothing is asked."""

    consent: str = "unless_withdrawn"
    quiet: tuple[tuple[tuple[str, ...], Hours], ...] = ()
    caps: tuple[Cap, ...] = ()
    facts: Mapping[str, str] = NOTHING
    zones: Mapping[str, str] = NOTHING  # of storefronts
    holidays: tuple[str, ...] = ()


NO_POLICY = Policy()


def load_policy(text: str) -> Policy:
    """Read a policy file."""
    raw = json.loads(text) if text.startswith("{") else YAML(typ="safe", pure=True).load(io.StringIO(text))
    holidays = tuple(str(day) for day in raw.get("holidays", []))
    return Policy(
        consent=raw.get("consent", "unless_withdrawn"),
        quiet=tuple((tuple(one["channels"]), hours(one, holidays)) for one in raw.get("quiet_hours", [])),
        caps=tuple(cap(one) for one in raw.get("caps", [])),
        facts=raw.get("facts", {}),
        zones={name: one["timezone"] for name, one in raw.get("storefronts", {}).items() if "timezone" in one},
        holidays=holidays,
    )


def hours(raw: Any, holidays: tuple[str, ...] = ()) -> Hours:
    """`08:00-21:00`, on some weekdays, except on some days."""
    start, end = raw["local"].split("-")
    weekdays = {number for word in raw.get("on", []) for number in weekdays_of(word)}
    said = [str(day) for day in raw.get("except", [])]
    excepted = {day for day in said if day != "holidays"} | (set(holidays) if "holidays" in said else set())
    return Hours(ms_of_day(start), ms_of_day(end), tuple(weekdays), tuple(excepted))


def cap(raw: Any) -> Cap:
    """Of a message or of the policy."""
    waits = span_ms(raw.get("expires", "0s")) if raw.get("when_capped") == "defer" else None
    group, channel, message_class, storefront = (raw.get(name) for name in ("group", "channel", "class", "storefront"))
    return Cap(group, channel, message_class, storefront, raw["max"], span_ms(raw["per"]), waits)
