"""Acts: events that change what is known of a person whether or not a flow looks at them. One line each.

They are applied before anything is judged: a withdrawal and the message it forbids may be released by one record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.profile import Profile
from streams import consent, receipts
from streams.program import Program
from streams.recorder import Recorder
from streams.verdict import Trigger
from streams.words import Parts, by_part, select

Act = Callable[[Profile, Trigger, Mapping[str, Any], Recorder], None]

ACTS: dict[str, Act] = {"consent_changed": consent.changed, "list_unsubscribed": consent.unsubscribed}
RECEIPT = "message_reported"
PARTS: dict[str, Parts] = {type_: by_part(type_) for type_ in (*ACTS, RECEIPT)}


def apply(program: Program, profile: Profile, trigger: Trigger, *, now: int, out: Recorder) -> None:
    """What this event does to consent, or to the message it reports on. Raises Undecodable."""
    words = select(trigger.event, PARTS[trigger.type])
    if trigger.type == RECEIPT:
        receipts.take(program, profile, trigger, words, now=now, out=out)
    else:
        ACTS[trigger.type](profile, trigger, words, out)
