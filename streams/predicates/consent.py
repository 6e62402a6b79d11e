"""`consent`: whether the person has agreed to a channel; for one storefront, or in general. Unknown if never asked.

Of acts that concern it the latest counts, of two of one instant the more restrictive:

    consent: email                               granted in general                              -> true
    consent: { channel: email, storefront: "2" } granted in general, later withdrawn for store 2 -> false
                                                 granted for store 2, later withdrawn in general -> false
                                                 granted in general, nothing said of 2           -> true
    consent: sms                                 never asked                                     -> unknown
"""

from __future__ import annotations

from schemas.conditions import Consented
from streams.view import View

EVERYTHING = "*"  # an act that names no channel


def look(condition: Consented, view: View) -> bool | None:
    """What they said last."""
    if view.profile is None or view.profile.dossier is None:
        return None
    said, channel = view.profile.dossier.consents, condition.channel
    names = [EVERYTHING, channel, f"{channel}/{condition.storefront}" if condition.storefront else channel]
    acts = [said[name] for name in names if name in said]
    last = max(acts, key=lambda act: (act.occurred_at, not act.granted), default=None)
    return None if last is None else last.granted


def judge(condition: Consented, view: View) -> bool | None:
    """The answer."""
    return look(condition, view)


def name(condition: Consented) -> str:
    """What is compared."""
    return f"consent {condition.channel}" + (f"/{condition.storefront}" if condition.storefront else "")
