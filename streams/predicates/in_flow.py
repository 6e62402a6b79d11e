"""`in_flow`: whether the person is in another flow now, or has ever been in it. Never unknown.

    in_flow: welcome                           enrolled there            -> true;  ended there yesterday -> false
    in_flow: { flow: welcome, ever: true }     ended there yesterday     -> true

What has ever been is what re-entry remembers: the past of `PAST_KEYS_MAX` flows and keys; of what was only shown, to
flows in shadow.
"""

from __future__ import annotations

from schemas.conditions import InFlow
from streams.reentry import has_been
from streams.view import View


def look(condition: InFlow, view: View) -> bool:
    """Whether it is so."""
    assert view.profile is not None
    flow, profile = condition.flow, view.profile
    if any(one.flow == flow for one in profile.enrollments):
        return True
    in_shadow = view.flow is not None and view.flow.status == "shadow"
    return condition.ever and has_been(flow, profile, in_shadow=in_shadow)


def judge(condition: InFlow, view: View) -> bool | None:
    """The answer."""
    return look(condition, view)


def name(condition: InFlow) -> str:
    """What is compared."""
    return f"in_flow {condition.flow}"
