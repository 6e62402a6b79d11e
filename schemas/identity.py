"""Who an event is about: identifiers, and the profile id that follows from the strongest of them.

Until identities are resolved, the profile id is a pure function of one identifier, shared by intake and replay. A
browser that is identified later is therefore a second profile.
"""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.limits import IDENTIFIER_LENGTH_MAX

#: An empty one counts as absent, because platforms send empty ones for guests.
Identifier = Annotated[str, Meta(max_length=IDENTIFIER_LENGTH_MAX)]

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:cartwheel:profile")

#: Values that platforms send when they know nobody; they never identify anyone.
NOBODY = frozenset({"", "0", "null", "none", "undefined", "anonymous", "guest", "nan"})


class Identity(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The identifiers an event carries; at least one must identify somebody."""

    profile_id: Identifier | None = None
    external_id: Identifier | None = None
    email: Identifier | None = None
    phone: Identifier | None = None
    exchange_id: Identifier | None = None
    device_id: Identifier | None = None
    anonymous_id: Identifier | None = None


#: Strongest first. The order of fields above is this order.
KINDS: tuple[str, ...] = Identity.__struct_fields__
ANONYMOUS_KINDS = frozenset({"device_id", "anonymous_id"})


def strongest(identity: Identity) -> tuple[str, str] | None:
    """The (kind, value) that decides who this is, or None when every value is absent or identifies nobody."""
    for kind in KINDS:
        value = getattr(identity, kind)
        if value is not None and (name := named(kind, value)) is not None:
            return kind, name
    return None


def named(kind: str, value: str) -> str | None:
    """The value as it is compared, or None if it names nobody."""
    trimmed = value.strip()
    lower = trimmed.lower()
    if lower in NOBODY:
        return None
    return lower if kind == "email" else trimmed


@lru_cache(maxsize=65_536)
def key_of(tenant: str, kind: str, value: str) -> bytes:
    """The record key of whom this identifier names."""
    return profile_key(tenant=tenant, profile_id=profile_id(tenant=tenant, kind=kind, value=value))


def profile_id(*, tenant: str, kind: str, value: str) -> str:
    """UUIDv5 of (tenant, kind, value); a `profile_id` identifier is taken as it is."""
    if kind == "profile_id":
        return value
    return str(uuid.uuid5(NAMESPACE, f"{tenant}\x1f{kind}\x1f{value}"))


def is_known(identity: Identity) -> bool:
    """True when the event names a person, not only a browser or device."""
    who = strongest(identity)
    return who is not None and who[0] not in ANONYMOUS_KINDS


def profile_key(*, tenant: str, profile_id: str) -> bytes:
    """The record key of a profile on the profile log and in the state topic."""
    return f"{tenant}/{profile_id}".encode()
