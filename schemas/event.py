"""The canonical event: one past fact about a profile, in a CloudEvents 1.0 envelope.

Free-form parts stay undecoded bytes (`Raw`) until a flow asks for a word of theirs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from schemas.identity import Identity
from schemas.limits import (
    ARRAY_ITEMS_MAX,
    DEDUPE_KEY_LENGTH_MAX,
    ID_LENGTH_MAX,
    PROPERTIES_MAX,
    TENANT_LENGTH_MAX,
    TYPE_LENGTH_MAX,
)
from schemas.money import Money

#: RFC 3339 with an offset, in the years 1990 to 2999: what lies outside comes from a clock that was never set.
TIME_PATTERN = (
    r"^(199[0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
Time = Annotated[datetime, Meta(tz=True, extra_json_schema={"format": "date-time", "pattern": TIME_PATTERN})]

NONE = Raw(b"null")
_object_or_null = {"type": ["object", "null"]}
OptionalObject = Annotated[Raw, Meta(extra_json_schema=_object_or_null)]
Text = Annotated[str, Meta(max_length=ID_LENGTH_MAX)]


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One business event. Unknown top-level fields are accepted and kept by intake under `extra`."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX, description="unique per producer delivery")]
    source: Annotated[
        str, Meta(min_length=1, max_length=ID_LENGTH_MAX, description="platform/store[/channel], or an exact name")
    ]
    type: Annotated[
        str, Meta(min_length=1, max_length=TYPE_LENGTH_MAX, description="canonical and versioned, see the catalog")
    ]
    time: Annotated[Time, Meta(description="when it happened at the shop; RFC 3339 with an offset")]
    tenant: Annotated[str, Meta(min_length=1, max_length=TENANT_LENGTH_MAX, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    identity: Annotated[Identity, Meta(description="at least one identifier", extra_json_schema={"minProperties": 1})]
    dedupe_key: Annotated[str, Meta(min_length=1, max_length=DEDUPE_KEY_LENGTH_MAX)] | None = None
    backfill: Annotated[bool, Meta(description="historical: changes state, never enrolls")] = False
    value: Money | None = None
    properties: Annotated[Raw, Meta(extra_json_schema=_object_or_null | {"maxProperties": PROPERTIES_MAX})] = NONE
    items: Annotated[
        Raw,
        Meta(extra_json_schema={"type": ["array", "null"], "items": {"type": "object"}, "maxItems": ARRAY_ITEMS_MAX}),
    ] = NONE
    context: OptionalObject = NONE
    consent: OptionalObject = NONE
    extra: OptionalObject = NONE
    subject: Text | None = None
    time_basis: Literal["source", "corrected", "received", "assumed_zone"] | None = None
    received_at: Annotated[Time, Meta(description="when it reached our edge; set there if absent")] | None = None
    dataschema: Annotated[str, Meta(max_length=256)] | None = None
    display_name: Annotated[str, Meta(min_length=1, max_length=TYPE_LENGTH_MAX)] | None = None


class LoggedMoney(msgspec.Struct, frozen=True, gc=False):
    """An amount as the profile log has it."""

    amount: str
    currency: str


class LoggedEvent(msgspec.Struct, kw_only=True, gc=False):
    """An event as the core reads it back from the profile log: the part of it that decisions may depend on.

    Intake has judged it as an `Event`; here everything that nobody asks for is passed over, and not judged again.
    """

    id: str
    source: str
    type: str
    time: Time
    identity: Raw  # that of the event before is nearly always the same, and then need not be decoded
    dedupe_key: str | None = None
    backfill: bool = False
    value: LoggedMoney | None = None
    properties: Raw = NONE
    items: Raw = NONE
    context: Raw = NONE
    subject: str | None = None


def dedupe_identity(event: Event | LoggedEvent) -> str:
    """What names a business event: the dedupe key; else the event id, which is one of its source (CloudEvents 1.0): two
    shops may each have an order 7.
    """
    return event.dedupe_key or f"{event.source}\x1f{event.id}"
