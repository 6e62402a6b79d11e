"""Effects: what steps want done beside moving their enrollment: facts, events of one's own, other flows.

Facts first, then events, then flows; what another flow makes of the person is judged on all of them.
"""

from __future__ import annotations

import msgspec

from schemas import codec
from schemas.event import Event, LoggedEvent
from schemas.flow import Flow
from schemas.identity import Identity, profile_key, strongest
from schemas.instants import to_datetime
from schemas.profile import Enrollment, Profile
from streams.conditions import judge_words
from streams.program import ADMITTING, Program
from streams.recorder import Recorder
from streams.verdict import Note, Offer, Report, Trigger

OWN_SOURCE = "cartwheel"  # and the flow, and how deep: `cartwheel/welcome/1`


def report(flow: Flow, profile: Profile, one: Report, *, now: int, out: Recorder) -> None:
    """Write an event for intake, as a connector would."""
    event = Event(
        id=one.id,
        source=f"{OWN_SOURCE}/{flow.name}/{one.depth}",
        type="custom." + one.event.removeprefix("custom_"),
        time=to_datetime(now),
        tenant=profile.tenant,
        identity=_itself(profile),
        dedupe_key=one.id,
        properties=msgspec.Raw(codec.encode(one.properties)),
    )
    out.events.append((profile_key(tenant=profile.tenant, profile_id=profile.profile_id), codec.encode(event)))


def _itself(profile: Profile) -> Identity:
    """By what makes the profile, alone: an address that is said anew at *now* would beat one that comes late."""
    known = Identity(**{kind: fact.value for kind, fact in profile.identifiers.items()})
    who = strongest(known)
    return known if who is None else Identity(**{who[0]: who[1]})


def depth_of(source: str) -> int:
    """How many flows have handed a person on, as the source of an event tells; 0 if it is none of ours."""
    if not source.startswith(OWN_SOURCE):
        return 0
    own, _, depth = source.removeprefix(OWN_SOURCE + "/").rpartition("/")
    return int(depth) if own and own != source and depth.isdecimal() else 0


def offer(
    program: Program, flow: Flow, profile: Profile, about: Enrollment, one: Offer, *, offset: int
) -> tuple[Flow, Trigger] | Note:
    """The other flow, and the trigger that it is to judge; or the refusal."""
    target = program.flows.get(one.flow)
    if target is None or target.status not in ADMITTING:
        return Note(outcome="refused", reason="no_such_flow", step=one.step, values={"flow": one.flow})
    wanted = target.trigger.where
    if wanted is not None and judge_words(wanted, about.words()) is not True:
        return Note(outcome="refused", reason="where_false", step=one.step, values={"flow": one.flow})
    identity = Identity(**{kind: fact.value for kind, fact in profile.identifiers.items()})
    event = LoggedEvent(
        id=one.id,
        source=f"{OWN_SOURCE}/{flow.name}/{one.depth}",
        type="cartwheel.flow.entered",
        time=to_datetime(one.occurred_at),
        identity=msgspec.Raw(codec.encode(identity)),
    )
    return target, Trigger(
        event, target.trigger.event, one.occurred_at, offset, about.words(),
        packed=about.context, depth=one.depth,
    )  # fmt: skip
