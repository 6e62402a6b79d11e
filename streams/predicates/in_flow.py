"""`in_flow`: whether the person is in another flow now, or has ever been in it. Never unknown.

    in_flow: welcome                           enrolled there            -> true;  ended there yesterday -> false
    in_flow: { flow: welcome, ever: true }     ended there yesterday     -> true

What has ever been is what re-entry remembers: the past of `PAST_KEYS_MAX` flows and keys. What is only shown is seen by
flows in shadow only: to others, nobody is in a flow that is in shadow.
"""

from __future__ import annotations

from schemas.conditions import InFlow
from streams.reentry import has_been
from streams.view import View


def look(condition: InFlow, view: View) -> bool:
    """Whether it is so."""
    assert view.profile is not None
    flow, profile, asking = condition.flow, view.profile, view.flow
    hidden = asking is not None and flow in asking.unseen
    if not hidden and any(one.flow == flow for one in profile.enrollments):
        return True
    return condition.ever and has_been(flow, profile, in_shadow=asking is not None and asking.status == "shadow")


def judge(condition: InFlow, view: View) -> bool | None:
    """The answer."""
    return look(condition, view)


def name(condition: InFlow) -> str:
    """What is compared."""
    return f"in_flow {condition.flow}"
