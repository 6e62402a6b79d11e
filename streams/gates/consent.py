"""Consent to a channel, for the storefront that the message is of (semantics 8).

For example, an SMS of storefront 2:

    granted in general in May, withdrawn for storefront 2 in June  -> skipped `no_consent:sms`
    nothing is known, policy `consent: required`                   -> skipped `no_consent:sms`
    nothing is known, no policy                                    -> goes: that shop leaves asking to its platform
"""

from __future__ import annotations

from schemas.channels import is_addressed
from schemas.instants import to_wire
from schemas.steps import Send
from streams.consent import standing
from streams.gates.answer import Answer, Skip
from streams.passage import Passage


def judge(step: Send, passage: Passage) -> Answer | None:
    """Skips who has said no; where the policy requires consent, also who has not said yes."""
    if not is_addressed(step.channel):
        return None
    act = standing(passage.profile, channel=step.channel, storefront=passage.storefront(step))
    reason = f"no_consent:{step.channel}"
    if act is None:
        return Skip(reason, {"consent": None}) if passage.policy.consent == "required" else None
    if act.granted:
        return None
    return Skip(reason, {"withdrawn_at": to_wire(act.occurred_at), "source": act.source, "event_id": act.event_id})
