"""The job that every peer does, what a peer is told, and the account that it gives of itself.

Per profile: a counter for each type of event, first and last seen, identity, cart, recent event ids against second
deliveries, and the checkout that is waited for. It is shared by the peers in Python that take bytes, so that what
differs between them is the runtime alone. It needs nothing but msgspec: some peers live in environments of their own.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

WAIT_MS = 2_000
TOTAL_MIN = 20.0
RECENT_MAX = 100
CHECKOUT, ORDER, CART = "commerce.checkout.started.v1", "commerce.order.placed.v1", "commerce.cart.item_added.v1"

_RECENT_BYTES = RECENT_MAX * 16  # event ids are 32 hexadecimal digits


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer is told. `store` and `tuned` choose between variants of one; a peer that has none ignores them."""

    kafka: str
    app: str
    log_topic: str
    commands_topic: str
    changelog_topic: str
    partitions: int
    folder: str
    store: str = "memory"
    tuned: bool = True
    warm_up_seconds: float = 0.0


class Account(msgspec.Struct, kw_only=True):
    """What it has done. `positions`: per partition the offset after the last event it took."""

    did: dict[str, int]
    waiting: int
    positions: dict[int, int]


@dataclass(slots=True)
class Books:
    """What becomes the account."""

    did: Counter[str] = field(default_factory=Counter)
    positions: dict[int, int] = field(default_factory=dict)

    def account(self, *, waiting: int) -> Account:
        """An event that armed or canceled was applied as well."""
        did = self.did
        applied = did["applied"] + did["armed"] + did["canceled"]
        return Account(did={**did, "applied": applied}, waiting=waiting, positions=self.positions)


class Money(msgspec.Struct, gc=False):
    """An amount, as the log writes it."""

    amount: str


class Properties(msgspec.Struct, gc=False):
    """Those that the job looks at."""

    checkout_id: str = ""
    sku: str = ""
    quantity: int = 0


class Event(msgspec.Struct):
    """What the job reads of an event. Identity and items are kept as they came."""

    id: str
    type: str
    time: datetime
    identity: msgspec.Raw
    properties: Properties
    value: Money | None = None
    items: msgspec.Raw = msgspec.Raw(b"[]")


class Waits(msgspec.Struct, array_like=True):
    """The checkout that is waited for, and until when."""

    checkout_id: str
    anchor_at: int
    due_at: int
    items: bytes


class Profile(msgspec.Struct, array_like=True):
    """The state of one person."""

    first_seen: datetime
    last_seen: datetime
    counts: dict[str, int] = {}
    cart: dict[str, int] = {}
    identity: bytes = b""
    recent: bytes = b""
    ordered_at: int = -1
    waits: Waits | None = None


class Reminder(msgspec.Struct):
    """The command that the job is all about."""

    checkout_id: str
    send: str = "checkout_reminder"


read_event = msgspec.json.Decoder(Event).decode
write_command = msgspec.json.Encoder().encode
unpack = msgspec.msgpack.Decoder(Profile).decode
pack = msgspec.msgpack.Encoder().encode

Did = Literal["applied", "duplicate", "armed", "canceled"]


def apply(profile: Profile, event: Event, *, not_before: int) -> Did:
    """One event of one profile. A wait that begins with it is over no sooner than `not_before`."""
    id_ = bytes.fromhex(event.id)
    if id_ in profile.recent:
        return "duplicate"
    profile.recent = (profile.recent + id_)[-_RECENT_BYTES:]
    kind = event.type
    profile.counts[kind] = profile.counts.get(kind, 0) + 1
    profile.identity = bytes(event.identity)
    if event.time > profile.last_seen:
        profile.last_seen = event.time
    if kind == CART:
        sku = event.properties.sku
        profile.cart[sku] = profile.cart.get(sku, 0) + event.properties.quantity
    elif kind == CHECKOUT:
        return _checkout(profile, event, not_before=not_before)
    elif kind == ORDER:
        return _order(profile, at=milliseconds(event.time))
    return "applied"


def milliseconds(moment: datetime) -> int:
    """Since the epoch."""
    return round(moment.timestamp() * 1000)


def run(program: Callable[[Options], Account]) -> None:
    """The program of a peer: its options as JSON and where the account belongs are its two arguments."""
    account = program(msgspec.json.decode(sys.argv[1], type=Options))
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(account))


def _checkout(profile: Profile, event: Event, *, not_before: int) -> Did:
    at = milliseconds(event.time)
    enough = event.value is not None and float(event.value.amount) >= TOTAL_MIN
    if not enough or profile.waits is not None or profile.ordered_at > at:
        return "applied"
    due_at = max(at + WAIT_MS, not_before)
    profile.waits = Waits(event.properties.checkout_id, at, due_at, bytes(event.items))
    return "armed"


def _order(profile: Profile, *, at: int) -> Did:
    profile.cart = {}
    profile.ordered_at = max(profile.ordered_at, at)
    if profile.waits is None or at <= profile.waits.anchor_at:
        return "applied"
    profile.waits = None
    return "canceled"
