"""Facts: what is known of a person by name. Some are stated (`streams.learning`), some we have seen ourselves."""

from __future__ import annotations

from typing import Any

from schemas.dossier import Stated
from schemas.facts import OBSERVED
from schemas.instants import to_wire
from schemas.profile import Profile


def value_of(profile: Profile, name: str) -> Any:
    """The value of a fact, None if it is not set."""
    stated = stated_of(profile, name)
    return None if stated is None else stated.value


def stated_of(profile: Profile, name: str) -> Stated | None:
    """A fact with when it was stated, or when we have seen it last; None if it never was."""
    if name not in OBSERVED:
        return None if profile.dossier is None else profile.dossier.facts.get(name)
    if name == "last_seen_at":
        seen_at = profile.last_active_at
        return Stated(to_wire(seen_at), seen_at) if seen_at else None
    known = profile.identifiers.get(name)
    return None if known is None else Stated(known.value, known.occurred_at)
