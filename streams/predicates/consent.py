"""`consent`: whether the person has agreed to a channel; for one storefront, or in general. Unknown if never asked.

consent: email                               granted in general                        -> true
consent: { channel: email, storefront: "2" } granted in general, withdrawn for store 2 -> false
                                             granted in general, nothing said of 2     -> true
consent: sms                                 never asked                               -> unknown
"""

from __future__ import annotations

from schemas.conditions import Consented
from streams.view import View


def look(condition: Consented, view: View) -> bool | None:
    """What they said last: of the storefront if they have, else in general."""
    if view.profile is None or view.profile.dossier is None:
        return None
    said = view.profile.dossier.consents
    own = said.get(f"{condition.channel}/{condition.storefront}") if condition.storefront else None
    found = own or said.get(condition.channel)
    return None if found is None else found.granted


def judge(condition: Consented, view: View) -> bool | None:
    """The answer."""
    return look(condition, view)


def name(condition: Consented) -> str:
    """What is compared."""
    return f"consent {condition.channel}" + (f"/{condition.storefront}" if condition.storefront else "")
