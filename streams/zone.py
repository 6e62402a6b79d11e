"""The zone of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.flow import Flow
from schemas.profile import Profile
from streams.clock.zones import Zone, resolve

NO_WORDS: Mapping[str, Any] = {}


def of(profile: Profile, flow: Flow, *, context: Mapping[str, Any] = NO_WORDS) -> Zone:
    """The zone, and who said so."""
    stated = profile.dossier.facts.get("timezone") if profile.dossier else None
    return resolve([("profile", str(stated.value))] if stated else [], default=flow.timezone.default)[0]
