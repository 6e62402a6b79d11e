"""Records that say nothing of what people did: watermarks, ticks, the end mark, resolutions, intake's progress.

On the profile log they are told from events by their key, which begins with a NUL byte as no profile key can.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.limits import ID_LENGTH_MAX, TENANT_LENGTH_MAX

#: RFC 3339, UTC, milliseconds; `schemas.instants` converts.
WireInstant = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        extra_json_schema={"format": "date-time"},
        examples=["2026-11-21T10:00:00.000Z"],
    ),
]

TICK_KEY = b"\x00tick"
WATERMARK_KEY = b"\x00watermark"
END_KEY = b"\x00end"
RESOLUTION_KEY = b"\x00resolution"
ACTIVATION_KEY = b"\x00activation"  # these three: `schemas.activation`
MIGRATION_KEY = b"\x00migration"
BACKFILL_KEY = b"\x00backfill"

#: Header of a record on a log with a carried clock: its append time, ASCII decimal milliseconds.
APPENDED_AT_HEADER = "appended_at"


class Watermark(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """A connector's promise: all of this source (and shop) that happened up to the instant has been delivered."""

    source: Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX, description="an exact name")]
    complete_through: Annotated[
        str, Meta(description="RFC 3339 with an offset", extra_json_schema={"format": "date-time"})
    ]
    tenant: Annotated[str, Meta(min_length=1, max_length=TENANT_LENGTH_MAX)]
    shop: Annotated[str, Meta(max_length=ID_LENGTH_MAX, description="empty: the source has one shop")] = ""
    estimated: Annotated[bool, Meta(description="now minus a margin, as streaming connectors report")] = False


class Tick(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """Appended by a partition's owner; on a live clock timers fire only at ticks.

    Released is what has a wakeup below `through`, or at `through` with a profile key not above `through_key` (absent:
    every key at that instant). Of who is held at a gate that is open, those go on that reached it below
    `gates_through`, or at it with a key not above `gates_key` (absent: everybody).
    """

    through: WireInstant
    through_key: str | None = None
    watermarks: Annotated[tuple[Watermark, ...], Meta(description="changes only")] = ()
    gates_through: WireInstant | None = None
    gates_key: str | None = None


class Progress(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """How far intake is with one raw partition, by the broker's clock."""

    raw_partition: Annotated[int, Meta(ge=0)]
    forwarded_through: Annotated[WireInstant, Meta(description="all appended up to here is acknowledged downstream")]
    next_offset: Annotated[int, Meta(ge=0)]
    watermarks: tuple[Watermark, ...] = ()


class Resolution(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """Written by an operator into the partition of a profile that gets no messages: these records are dealt with.

    A record that was replayed stands right before it.
    """

    profile: Annotated[str, Meta(description="tenant/profile id")]
    offsets: Annotated[tuple[int, ...], Meta(description="in this partition, of the records that are meant")]
    how: Literal["replayed", "dismissed"]
    by: Annotated[str, Meta(max_length=128)]
    at: WireInstant
