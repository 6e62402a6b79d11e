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
from streams.consent import standing
from streams.view import View


def look(condition: Consented, view: View) -> bool | None:
    """What they said last."""
    if view.profile is None:
        return None
    last = standing(view.profile, channel=condition.channel, storefront=condition.storefront or "")
    return None if last is None else last.granted


def judge(condition: Consented, view: View) -> bool | None:
    """The answer."""
    return look(condition, view)


def name(condition: Consented) -> str:
    """What is compared."""
    return f"consent {condition.channel}" + (f"/{condition.storefront}" if condition.storefront else "")
