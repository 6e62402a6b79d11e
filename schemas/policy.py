"""The policy of a shop: what holds for all of its flows at once. Never pinned: it counts as it is now."""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.catalog import Kind
from schemas.connectors import Lag
from schemas.window import Window

#: A word of `except` in a window: the holidays of the policy, whichever they are by then.
HOLIDAYS = "holidays"


class QuietHours(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Hours, on the recipient's clock, in which nothing goes out on these channels but what is transactional."""

    channels: tuple[str, ...]
    window: Window


class CapRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """At most so many messages in a rolling window, of those that have everything that is named here."""

    group: str | None = None
    channel: str | None = None
    message_class: str | None = None
    storefront: str | None = None
    max: int
    per_ms: int
    when_capped: Literal["skip", "defer"] = "skip"
    expires_ms: int = 0  # how long one of them waits for room; then it is skipped


class Storefront(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One shop front: what messages of it are called, speak, and come from."""

    name: str = ""
    timezone: str | None = None
    locale: str | None = None
    sender: str | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of it. Without a policy file, this with its defaults."""

    name: str = ""
    version: str = ""  # content hash of everything else; "" without a file
    consent: Literal["unless_withdrawn", "required"] = "unless_withdrawn"
    quiet_hours: tuple[QuietHours, ...] = ()
    caps: tuple[CapRule, ...] = ()
    facts: dict[str, Kind] = {}
    storefronts: dict[str, Storefront] = {}
    sources: dict[str, Lag] = {}  # how late they report; the compiler warns by it
    holidays: tuple[str, ...] = ()  # ISO dates


NO_POLICY = Policy()
