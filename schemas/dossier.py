"""What is kept of a person beside identifiers and enrollments: facts, counts, consent, messages, appointments.

Most people have none of it, and their state then has one byte for it. Fields are only ever added at the end of a
struct, with a default. Instants are milliseconds UTC.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw

NO_WORDS = Raw(b"\x80")  # packed
_words = msgspec.msgpack.Decoder(dict[str, Any])


class StateUnreadable(Exception):
    """No record's fault: nothing may be decided, and nobody's events may be given away for it."""


def unpack(packed: Raw) -> dict[str, Any]:
    """Words of an event as they stand in a packed profile. Raises StateUnreadable."""
    try:
        return _words.decode(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateUnreadable(f"the words of a trigger: {error}") from error


class Stated(msgspec.Struct, array_like=True, gc=False):
    """A fact as it was last stated: of two, the later `occurred_at` stays, then the higher event id (semantics 7.6)."""

    value: Any  # JSON of the declared kind
    occurred_at: int
    event_id: str = ""  # "": a flow has set it


class Count(msgspec.Struct, array_like=True, gc=False):
    """How often something was seen, and when: exactly for the newest, by UTC day for older ones."""

    total: int = 0
    recent: list[int] = []  # occurred_at of the newest, ascending
    days: list[tuple[int, int]] = []  # UTC day number, how many: of those no longer in `recent`, ascending
    newest: list[Any] | None = None  # [occurred_at, offset, words] of the newest one, if conditions ask for its words


class Consent(msgspec.Struct, array_like=True, gc=False):
    """The latest explicit act about one channel (and storefront); of two of one instant the more restrictive."""

    granted: bool
    occurred_at: int
    source: str = ""
    event_id: str = ""


class Message(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """A message that was ordered: it takes room under caps, may be recalled, and for a while may be regretted."""

    command_id: str
    enrollment_id: str
    flow: str
    version: str
    step: str
    channel: str
    message_class: str
    group: str
    storefront: str
    decided_at: int
    not_after: int
    status: Literal["ordered", "accepted", "returned"] = "ordered"  # returned: it takes no room any more
    recalled: bool = False
    judged: bool = False  # it has been regretted or recalled once, which is enough
    anchor_at: int = 0
    trigger_offset: int = -1
    context: Raw = NO_WORDS  # the words of the trigger, packed: seldom is the decision judged again
    visit: int = 1
    key: str = ""  # of the enrollment
    arms: dict[str, str] = {}
    gate: str = ""  # label of the settle step that guarded it
    again_at: int = 0  # it has expired, and is judged again then; 0: it is not
    due_at: int = 0  # as of an enrollment, while it is judged again; so are the next three
    waiting: str = ""
    room_until: int = 0
    held_ms: int = 0
    unfiltered: bool = False  # it was late and went without asking the profile filter
    zone: str = ""  # by whose clock it waits for hours, while it is judged again


class Appointment(msgspec.Struct, array_like=True, gc=False):
    """When a flow that begins by the clock is to look at this person next."""

    at: int
    of: str = ""  # what it was computed from: the fact's value and the zone
    met_at: int = 0  # the last moment at which it has looked


class Click(msgspec.Struct, array_like=True, gc=False):
    """Somebody has followed a link of a message."""

    command_id: str
    flow: str
    version: str
    step: str
    enrollment_id: str
    occurred_at: int


class Purchase(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """An order that a click may be credited with. Amounts are decimal text."""

    order_id: str
    occurred_at: int
    amount: str
    currency: str
    refunds: dict[str, str] = {}  # refund id -> amount
    credited_to: str = ""  # command id of the click that has it now; "" is nobody
    credited: str = "0"  # so much of it


class Dossier(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """All of it, by name."""

    facts: dict[str, Stated] = {}
    counts: dict[str, Count] = {}  # by `EventCount` or `LastEvent` in its canonical form, see streams.counting
    consents: dict[str, Consent] = {}  # "email", or "email/2" for a storefront; "*" for all channels
    messages: list[Message] = []
    appointments: dict[str, Appointment] = {}  # by flow
    suppressed: dict[str, int] = {}  # channel, or "*" -> since when
    clicks: list[Click] = []
    purchases: list[Purchase] = []
    shown: dict[str, Stated] = {}  # by flow, "\x1f" and fact: what flows in shadow have set, see streams.shown
