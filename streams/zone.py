"""The zone of a person: what the first source that knows one says, in the order that the flow names (semantics 5.5).

The hours of a message go by where its recipient is, whatever clock the flow has for its waits: `of_recipient`.

For example, a flow with `from: [profile, phone, storefront], default: UTC`:

    fact timezone Europe/Berlin                    -> Europe/Berlin, from the profile
    fact timezone Berlin, phone +44...             -> Europe/London, from the phone; the profile is counted as invalid
    neither, country DE                            -> Europe/Berlin, from the phone
    nothing but storefront 2 in America/New_York   -> America/New_York, from the storefront

And with `timezone: Europe/Berlin`: the flow waits by the clock of Berlin, its messages keep the hours of each of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas.flow import ZONE_ORDER, Flow, ZoneSource
from schemas.profile import Profile
from schemas.steps import Value
from streams import facts
from streams.clock.zones import Zone, resolve, zone_of_country, zone_of_phone
from streams.values import text_of

Words = Mapping[str, Any]
NO_WORDS: Words = {}


def of(profile: Profile, flow: Flow, *, context: Words = NO_WORDS) -> Zone:
    """By whose clock the flow goes, and who said so. `context` are the words of the trigger, which may name the
    storefront.
    """
    return look_up(profile, flow, context=context)[0]


def of_recipient(profile: Profile, flow: Flow, *, context: Words, storefront: Value | None) -> Zone:
    """By whose clock a message keeps its hours; `storefront` is that which it names, in place of that of the flow."""
    candidates = _candidates(profile, flow, context, storefront or flow.storefront, order=ZONE_ORDER)
    return resolve(candidates, default=flow.timezone.default)[0]


def look_up(profile: Profile, flow: Flow, *, context: Words = NO_WORDS) -> tuple[Zone, tuple[str, ...]]:
    """The same, and which sources named a zone that is none."""
    candidates = _candidates(profile, flow, context, flow.storefront, order=flow.timezone.sources)
    return resolve(candidates, default=flow.timezone.default)


def _candidates(
    profile: Profile, flow: Flow, context: Words, storefront: Value | None, *, order: Sequence[ZoneSource]
) -> Iterator[tuple[str, str | None]]:
    for source in order:
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
