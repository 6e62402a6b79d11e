"""Values of steps: a word of the trigger, a fact of the person, or what the flow file says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.profile import Profile
from schemas.steps import Value
from streams import facts


def value_of(value: Value, *, words: Mapping[str, Any], profile: Profile) -> Any:
    """The value; None when there is none."""
    if value.origin == "literal":
        return value.of
    if value.origin == "trigger":
        return words.get(value.of)
    return facts.value_of(profile, value.of)


def text_of(value: Value | None, *, words: Mapping[str, Any], profile: Profile) -> str:
    """The same as text, "" when there is none: the name of a storefront, say."""
    found = None if value is None else value_of(value, words=words, profile=profile)
    return "" if found is None else str(found)
