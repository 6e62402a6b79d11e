"""What the oracle reads: one event, one watermark, one tick, from the words of the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tests.oracle import identity
from tests.oracle.words import Words, words_of

CLOCK_ERROR_MS = 5 * 60_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Event(NamedTuple):
    """One event as a profile sees it. ``position`` is its place in the log; what is none lies between two."""

    tenant: str
    profile_id: str
    anonymous: bool
    name: str
    source: str
    dedupe: str
    occurred_at: int
    appended_at: int
    position: float
    backfill: bool
    words: Words
    phone: str | None = None
    email: str | None = None
    id: str = ""
    depth: int = 0  # so many flows in a row have handed the person on to it

    @property
    def key(self) -> str:
        """The key of its profile on the profile log."""
        return f"{self.tenant}/{self.profile_id}"


class Watermark(NamedTuple):
    """A source's promise; without a tenant it is made to every tenant."""

    source: str
    shop: str
    tenant: str | None
    complete_through: int


def instant(value: str | int) -> int:
    """Milliseconds since the epoch, from RFC 3339 or as they are."""
    if isinstance(value, int):
        return value
    return (datetime.fromisoformat(value) - EPOCH) // timedelta(milliseconds=1)


def wire(moment: int) -> str:
    """RFC 3339 with ``Z`` and milliseconds."""
    text = (EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def as_mapping(line: str | bytes | dict[str, Any]) -> dict[str, Any]:
    """A line of NDJSON, or what it holds."""
    parsed: dict[str, Any] = line if isinstance(line, dict) else json.loads(line)
    return parsed


def event(envelope: dict[str, Any], *, appended_at: int, position: int) -> Event:
    """Read an event. A time more than five minutes ahead of the log is taken for the log's own."""
    occurred_at = instant(envelope["time"])
    who = envelope["identity"]
    return Event(
        tenant=envelope["tenant"],
        profile_id=identity.profile_id(envelope["tenant"], who),
        anonymous=identity.strongest(who) in ("device_id", "anonymous_id"),
        name=short_name(envelope["type"]),
        source=envelope["source"],
        dedupe=envelope.get("dedupe_key") or f"{envelope['source']}\x1f{envelope['id']}",
        occurred_at=appended_at if occurred_at > appended_at + CLOCK_ERROR_MS else occurred_at,
        appended_at=appended_at,
        position=position,
        backfill=envelope.get("backfill", False),
        words=words_of(envelope),
        phone=identity.told(who, "phone"),
        email=identity.told(who, "email"),
        id=envelope["id"],
    )


def short_name(canonical: str) -> str:
    """``commerce.checkout.started.v1`` is ``checkout_started`` in a flow file."""
    if canonical.startswith("custom."):
        return canonical.replace(".", "_")
    stem, _, _version = canonical.rpartition(".v")
    return stem.removeprefix("commerce.").replace(".", "_")


def watermark(raw: dict[str, Any]) -> Watermark:
    """Read a watermark."""
    return Watermark(raw["source"], raw.get("shop", ""), raw.get("tenant"), instant(raw["complete_through"]))
