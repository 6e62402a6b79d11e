"""The decoded profiles of one partition: loaded when first needed, kept while changed, dropped when too many."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from schemas import codec
from schemas.codec import STATE_VERSION
from schemas.dossier import StateUnreadable as StateUnreadable
from schemas.profile import UNKNOWN, Presence, Profile

KEPT_MAX = 20_000  # when nobody says otherwise


class Profiles:
    """By key. What has changed stays until it can be loaded again; of the rest, those that came first are dropped."""

    def __init__(self, load: Callable[[bytes], bytes | None], *, kept_max: int, state_version: int) -> None:
        """`load` reads a packed profile from the local store; `state_version` is the one to pack in."""
        self._load, self._kept_max, self._state_version = load, kept_max, state_version
        self._kept: dict[bytes, Presence] = {}
        self.changed: dict[bytes, Presence] = {}  # since the last snapshot

    def at(self, key: bytes) -> Presence:
        """Who is under a key, a new one if there is nobody, for whoever leaves the rest of the profile as it is.

        Raises Undecodable for what is no profile's key.
        """
        profile = self._kept.get(key)
        if profile is None:
            profile = self._kept[key] = self._read(key)
        return profile

    def of(self, key: bytes) -> Profile:
        """The same with all that is known, for whoever may change any of it."""
        found = self.at(key)
        if isinstance(found, Profile):
            found.rest, found.flags = None, UNKNOWN
            return found
        try:
            profile = codec.unpack_rest(found)
        except codec.Undecodable as error:
            raise _unreadable(key, error) from error
        self._kept[key] = profile
        if key in self.changed:
            self.changed[key] = profile
        return profile

    def replace(self, key: bytes, profile: Profile) -> None:
        """Take this one for what was under the key."""
        self._kept[key] = self.changed[key] = profile

    def snapshot(self) -> list[tuple[bytes, bytes]]:
        """Everything that has changed since the snapshot before, packed. What is still packed is not packed anew."""
        changed, self.changed = self.changed, {}
        if self._state_version != STATE_VERSION:
            version = self._state_version
            return [(key, codec.pack_profile(codec.unpack_rest(one), version=version)) for key, one in changed.items()]
        return [(key, codec.pack_presence(one)) for key, one in changed.items()]

    def settled(self) -> None:
        """The last snapshot is in the local store."""
        excess = len(self._kept) - self._kept_max
        if excess > 0:
            for key in list(islice((key for key in self._kept if key not in self.changed), excess)):
                del self._kept[key]

    def _read(self, key: bytes) -> Presence:
        tenant, profile_id = split_key(key)
        packed = self._load(key)
        if packed is None:
            return Profile(tenant=tenant, profile_id=profile_id, rest=codec.NO_REST, flags=0)
        try:
            return codec.unpack_presence(packed, key=key)
        except codec.Undecodable as error:
            raise _unreadable(key, error) from error


def _unreadable(key: bytes, error: codec.Undecodable) -> StateUnreadable:
    return StateUnreadable(f"the state of {key!r}: {error}")


def split_key(key: bytes) -> tuple[str, str]:
    """Tenant and profile id. Raises Undecodable for what is no profile's key."""
    try:
        tenant, _, profile_id = key.decode().partition("/")
    except UnicodeDecodeError:
        tenant = profile_id = ""
    if not (tenant and profile_id) or key[:1] == b"\x00":
        raise codec.Undecodable(f"the key of the record is {key!r} and must be tenant/profile id in UTF-8")
    return tenant, profile_id
