"""The zone of a person: what the first source that knows one says, in the order that the flow names (semantics 5.5).

For example, a flow with `from: [profile, phone, storefront], default: UTC`:

    fact timezone Europe/Berlin                    -> Europe/Berlin, from the profile
    fact timezone Berlin, phone +44...             -> Europe/London, from the phone; the profile is counted as invalid
    neither, country DE                            -> Europe/Berlin, from the phone
    nothing but storefront 2 in America/New_York   -> America/New_York, from the storefront
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.flow import Flow
from schemas.profile import Profile
from schemas.steps import Value
from streams import facts
from streams.clock.zones import Zone, resolve, zone_of_country, zone_of_phone
from streams.values import text_of

Words = Mapping[str, Any]
NO_WORDS: Words = {}


def of(profile: Profile, flow: Flow, *, context: Words = NO_WORDS, storefront: Value | None = None) -> Zone:
    """The zone, and who said so. `context` are the words of the trigger, which may name the storefront; `storefront` is
    that which a message names, in place of that of the flow.
    """
    candidates = _candidates(profile, flow, context, storefront or flow.storefront)
    return resolve(candidates, default=flow.timezone.default)[0]


def look_up(profile: Profile, flow: Flow, *, context: Words = NO_WORDS) -> tuple[Zone, tuple[str, ...]]:
    """The same for a wait, and which sources named a zone that is none."""
    return resolve(_candidates(profile, flow, context, flow.storefront), default=flow.timezone.default)


def _candidates(
    profile: Profile, flow: Flow, context: Words, storefront: Value | None
) -> Iterator[tuple[str, str | None]]:
    for source in flow.timezone.sources:
        if source == "profile":
            yield source, fact(profile, "timezone")
        elif source == "phone":
            phone = profile.identifiers.get("phone")
            yield source, None if phone is None else zone_of_phone(phone.value)
            country = fact(profile, "country")
            yield source, None if country is None else zone_of_country(country)
        else:
            yield source, flow.timezone.storefronts.get(text_of(storefront, words=context, profile=profile))


def fact(profile: Profile, name: str) -> str | None:
    """A fact of the person as text, None if there is none."""
    value = facts.value_of(profile, name)
    return None if value is None else str(value)
