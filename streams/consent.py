"""The engine's copy of consent and suppression. It saves a message; the dispatcher has the last word.

Of acts that concern a channel and a storefront, the latest counts, whichever order they come in, and of two of one
instant the more restrictive:

    March: granted for e-mail    May: withdrawn for e-mail of storefront 2   -> no e-mail of storefront 2, others go
    June: withdrawn in general                                               -> no e-mail at all
    June: withdrawn for storefront 3, of no channel in particular            -> nothing of storefront 3, others go
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.channels import CONSENT_CHANNELS
from schemas.dossier import Consent
from schemas.limits import CONSENTS_MAX
from schemas.profile import Profile
from streams.recorder import Recorder
from streams.verdict import Trigger

EVERYTHING = "*"
#: What a provider says of an address to which nothing may be sent again.
SUPPRESSING = frozenset({"hard_bounce", "complaint", "invalid_address"})


def standing(profile: Profile, *, channel: str, storefront: str = "") -> Consent | None:
    """The act that counts; None if nobody has ever asked."""
    consents = {} if profile.dossier is None else profile.dossier.consents
    names = [EVERYTHING, channel]
    if storefront:
        names += [f"{name}/{storefront}" for name in names]
    return max((consents[name] for name in names if name in consents), key=_rank, default=None)


def suppressed_since(profile: Profile, *, channel: str, storefront: str = "") -> int | None:
    """Since when; None if it is not, or if the act that counts for this storefront is an agreement after that."""
    known = {} if profile.dossier is None else profile.dossier.suppressed
    since = max((known[name] for name in (EVERYTHING, channel) if name in known), default=None)
    act = None if since is None else standing(profile, channel=channel, storefront=storefront)
    return None if since is None or (act and act.granted and act.occurred_at > since) else since


def suppress(profile: Profile, channel: str, *, at: int) -> None:
    """From then on, nothing on this channel."""
    suppressed = profile.known().suppressed
    suppressed[channel] = max(at, suppressed.get(channel, at))


def changed(profile: Profile, trigger: Trigger, words: Mapping[str, Any], out: Recorder) -> None:
    """`consent_changed`: granted or withdrawn, for a channel and perhaps a storefront; or the channel is suppressed.

    A withdrawal that names no channel concerns all of them, of its storefront or in general. Whatever else is unclear
    changes nothing and is counted.
    """
    channel, status = (words.get(word, "").strip().lower() for word in ("channel", "status"))
    if channel and channel not in CONSENT_CHANNELS:
        status = ""  # `e-mail`, say: no message would ever ask for it
    if status == "suppressed":
        suppress(profile, channel or EVERYTHING, at=trigger.occurred_at)
    elif status == "withdrawn" or (status == "granted" and channel):
        storefront = words.get("storefront")
        name = (channel or EVERYTHING) + (f"/{storefront}" if storefront else "")
        _put(profile, name, _act(trigger, granted=status == "granted"), out)
    else:
        out.tallies[("event", "consent_unclear")] += 1


def unsubscribed(profile: Profile, trigger: Trigger, words: Mapping[str, Any], out: Recorder) -> None:
    """`list_unsubscribed` without a list: from all e-mail. With one, from that list only, which flows may look at."""
    if not words.get("list_id"):
        _put(profile, "email", _act(trigger, granted=False), out)


def _act(trigger: Trigger, *, granted: bool) -> Consent:
    return Consent(granted, trigger.occurred_at, trigger.event.source, trigger.event.id)


def _put(profile: Profile, name: str, act: Consent, out: Recorder) -> None:
    consents = profile.known().consents
    known = consents.get(name)
    if known is None or _rank(act) > _rank(known):
        consents[name] = act
    if len(consents) > CONSENTS_MAX:
        out.tallies[("evicted", "consents")] += 1
        # A yes is forgotten before a no.
        del consents[min(consents, key=lambda one: (not consents[one].granted, consents[one].occurred_at, one))]


def _rank(act: Consent) -> tuple[int, bool, str]:
    return act.occurred_at, not act.granted, act.event_id
