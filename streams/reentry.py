"""Re-entry: what is remembered of those who have been in a flow, and whether they may enter again (semantics 3.6).

What was only shown is counted while the flow is in shadow, and not when it is for real:

    shadow   10:00 entered, 10:15 would have sent, ended    11:00 trigger -> refused `reentry_never`: as it would be
    live     12:00 trigger -> entered                       13:00 trigger -> refused `reentry_never`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.flow import Flow
from schemas.instants import to_wire
from schemas.limits import PAST_KEYS_MAX
from schemas.profile import SHOWN, Enrollment, Past, Profile
from streams import weight
from streams.recorder import Recorder
from streams.verdict import Note, Trigger, Verdict


def refusal(flow: Flow, profile: Profile, key: str, trigger: Trigger) -> Note | None:
    """Why who is not in the flow may not enter it now."""
    reentry = flow.reentry
    past = None if reentry.policy == "always" else past_of(flow, profile, key)
    if past is None:
        return None
    if reentry.policy == "never":
        return _refused("reentry_never", {"entered_at": to_wire(past.started_at)})
    if reentry.policy == "max":
        recent = [at for at in past.starts if not reentry.per_ms or trigger.occurred_at - at < reentry.per_ms]
        if len(recent) < reentry.max:
            return None
        values = {"entered": len(recent), "max": reentry.max, "first_at": to_wire(recent[0])}
        return _refused("reentry_max", values)
    since = past.started_at if reentry.counted_from == "start" else past.ended_at
    if since is None or trigger.occurred_at - since >= reentry.min_gap_ms:
        return None
    values = {f"last_{reentry.counted_from}_at": to_wire(since), "min_gap_seconds": reentry.min_gap_ms / 1000}
    return _refused("reentry_min_gap", values)


def past_of(flow: Flow, profile: Profile, key: str) -> Past | None:
    """What counts, as one: every past, in shadow also what was only shown."""
    found = list(_pasts(flow, profile, key))
    if not found:
        return None
    starts = [one.starts or [one.started_at] for one in found]
    return Past(
        started_at=max(one.started_at for one in found),
        ended_at=max((one.ended_at for one in found if one.ended_at is not None), default=None),
        starts=sorted(starts[0] + [at for some in starts[1:] for at in some if at not in starts[0]]),
    )


def _pasts(flow: Flow, profile: Profile, key: str) -> Iterator[Past]:
    name = _name(flow, key)
    shown = profile.past.get(SHOWN + name) if flow.status == "shadow" else None
    yield from (one for one in (profile.past.get(name), shown) if one is not None)
    if flow.status != "shadow" and not flow.reentry.count_only_if_sent and flow.reentry.scope == "profile":
        # Begun in shadow, and going on for real.
        going_on = [one for one in profile.enrollments if one.shown and one.flow == flow.name]
        yield from (Past(started_at=one.anchor_at) for one in going_on)


def has_been(flow: str, profile: Profile, *, in_shadow: bool) -> bool:
    """Whether they are remembered to have been in a flow, with any key; `in_shadow` asks who is there."""
    names = (flow, SHOWN + flow) if in_shadow else (flow,)
    return any(name.partition("\x1f")[0] in names for name in profile.past)


def remember(flow: Flow, profile: Profile, about: Enrollment, verdict: Verdict, *, now: int, out: Recorder) -> None:
    """When it began, or with `count_only_if_sent` that it sent; and when it ended."""
    sent, entered = 0, False
    for note in verdict.notes:
        if note.outcome == "sent":
            sent += 1
        elif note.outcome == "entered":
            entered = True
    only_if_sent, over = flow.reentry.count_only_if_sent, verdict.enrollment is None
    if about.shown and flow.status != "shadow" and (sent or (over and not only_if_sent)):
        about.sent, counts = sent, True  # what it had sent before was only shown
    elif only_if_sent:
        counts = sent > 0 and about.sent == sent  # its first message
    else:
        counts = entered
    if counts:
        about.shown = flow.status == "shadow"
        past = _past(flow, profile, about, out)
        past.started_at = max(past.started_at, about.anchor_at)
        if flow.reentry.policy == "max":
            past.starts = sorted([*past.starts, about.anchor_at])[-flow.reentry.max :]
    if over and (about.sent or not only_if_sent):
        # Its start may be unknown by now: evicted, or counted by another scope of an older flow file.
        _past(flow, profile, about, out).ended_at = now


def _past(flow: Flow, profile: Profile, enrollment: Enrollment, out: Recorder) -> Past:
    """What is remembered for the re-entry of this enrollment; made, and another one evicted for it, if need be."""
    name = _name(flow, enrollment.key)
    if enrollment.shown:
        name = SHOWN + name
    past = profile.past.get(name)
    if past is None:
        if len(profile.past) >= PAST_KEYS_MAX:
            out.tallies[("evicted", "past")] += 1
            del profile.past[weight.longest_ago(profile)]
        past = profile.past[name] = Past(started_at=enrollment.anchor_at)
    return past


def _name(flow: Flow, key: str) -> str:
    """Under what name re-entry remembers: the flow, or flow and key."""
    return f"{flow.name}\x1f{key}" if flow.reentry.scope == "key" else flow.name


def _refused(reason: str, values: dict[str, Any]) -> Note:
    return Note(outcome="refused", reason=reason, values=values)
