"""The ids of the project, written a second time: of a profile, and the hash behind enrollments and commands."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from uuid import NAMESPACE_URL, uuid5

STRONGEST_FIRST = ("profile_id", "external_id", "email", "phone", "exchange_id", "device_id", "anonymous_id")
NOBODY = ("", "0", "null", "undefined", "anonymous", "guest")
PROFILE_NAMESPACE = uuid5(NAMESPACE_URL, "urn:cartwheel:profile")


def told(identity: Mapping[str, str], kind: str) -> str | None:
    """The identifier of this kind, if it is somebody's: semantics 11.2."""
    value = identity.get(kind, "")
    return None if value.strip().lower() in NOBODY else value


def strongest(identity: Mapping[str, str]) -> str:
    """The kind of the strongest identifier present."""
    return next(kind for kind in STRONGEST_FIRST if told(identity, kind))


def profile_id(tenant: str, identity: Mapping[str, str]) -> str:
    """The profile id that the strongest identifier gives; a ``profile_id`` is taken as it is."""
    kind = strongest(identity)
    if kind == "profile_id":
        return identity[kind]
    return str(uuid5(PROFILE_NAMESPACE, "\x1f".join([tenant, kind, identity[kind]])))


def hashed(*parts: str) -> str:
    """Sixteen bytes of BLAKE2b over the parts, as 32 hexadecimal digits."""
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
