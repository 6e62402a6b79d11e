"""Entry: does a trigger enroll, begin anew, or is it refused, and why? The order of questions is the law's (3.1).

For example:

    10:00  trigger       -> entered, anchor 10:00
    10:20  trigger       -> retrigger `ignore`: counted on the enrollment; `restart`: anchor 10:20, first step;
                            `replace_context`: newest words, anchor stays, the current wait counts from 10:20;
                            `extend`: the same with the words it had; `end_and_restart`: ended `superseded`, and entered
"""

from __future__ import annotations

import copy
from typing import Any

from schemas.codec import decode_identity
from schemas.event import dedupe_identity
from schemas.flow import Flow
from schemas.identity import is_known
from schemas.instants import to_wire
from schemas.limits import ENROLLED_BYTES_MAX, ENROLLMENTS_MAX, KEY_LENGTH_MAX
from schemas.profile import Enrollment, Profile
from schemas.steps import Step, Waiting
from streams import filters, ids, reentry
from streams.arming import WAITS, Armed, arm
from streams.dedupe import lasting_bytes
from streams.exits import first_held, held_before
from streams.verdict import Note, Trigger, Verdict, telling
from streams.view import View


def judge_entry(flow: Flow, profile: Profile, trigger: Trigger, now: int) -> Verdict:
    """What a trigger does to a profile: a new enrollment, a live one begun anew or counted upon, or a refusal.

    It comes from a source, and satisfies the condition, that the flow wants: `streams.interest` has seen to that.
    """
    if flow.addressed and not is_known(decode_identity(trigger.event.identity)):
        return _refused("anonymous", {})
    key = key_of(flow, trigger)
    if key is None:
        return _refused("key_missing", {"key": _key_as_written(flow)})
    if len(key) > KEY_LENGTH_MAX:
        return _refused("key_too_long", {"key": _key_as_written(flow), "length": len(key), "max": KEY_LENGTH_MAX})
    if flow.filter is None:
        return _judge_fit(flow, profile, trigger, key, now)
    told: list[Note] = []
    unfit = filters.refusal_at_entry(flow, profile, trigger, key=key, now=now, told=told)
    return telling(_judge_fit(flow, profile, trigger, key, now) if unfit is None else Verdict(None, (unfit,)), told)


def _judge_fit(flow: Flow, profile: Profile, trigger: Trigger, key: str, now: int) -> Verdict:
    live = live_of(flow, profile, key)
    if live is not None:
        return _judge_again(flow, live, profile, trigger, now)
    refusal = (
        _judge_status(flow)
        or reentry.refusal(flow, profile, key, trigger)
        or _judge_freshness(flow, trigger, now)
        or _judge_room(flow, profile, trigger)
    )
    if refusal is not None:
        return Verdict(None, (refusal,))
    return _enroll(flow, profile, trigger, key, now)


def key_of(flow: Flow, trigger: Trigger) -> str | None:
    """What an enrollment by this trigger is called within the flow, "" without a key; None when a word is missing."""
    if flow.key is None:
        return ""
    words = (flow.key,) if isinstance(flow.key, str) else flow.key
    parts = [found for word in words if isinstance(found := trigger.words.get(word), str)]
    return "\x1f".join(parts) if len(parts) == len(words) else None


def live_of(flow: Flow, profile: Profile, key: str) -> Enrollment | None:
    """Who of this profile is in the flow by this key."""
    name = flow.name
    for one in profile.enrollments:
        if one.flow == name and one.key == key:
            return one
    return None


def _key_as_written(flow: Flow) -> str:
    words = (flow.key,) if isinstance(flow.key, str) else flow.key or ()
    return ", ".join(f"trigger.{word}" for word in words)


def place_of(flow: Flow, enrollment: Enrollment) -> int | None:
    """Which step an enrollment waits at; None when the flow has no step of that label any more."""
    return flow.places.get(enrollment.step)


def step_of(flow: Flow, enrollment: Enrollment) -> Step | None:
    """The step itself."""
    place = place_of(flow, enrollment)
    return None if place is None else flow.steps[place]


def _enroll(flow: Flow, profile: Profile, trigger: Trigger, key: str, now: int) -> Verdict:
    event = trigger.event
    enrollment = Enrollment(
        enrollment_id=ids.enrollment_id(
            tenant=profile.tenant,
            profile_id=profile.profile_id,
            flow=flow.name,
            key=key,
            trigger_type=flow.trigger.event,
            trigger_id=dedupe_identity(event),
        ),
        flow=flow.name,
        key=key,
        visit=1,
        anchor_at=trigger.occurred_at,
        triggered_at=trigger.occurred_at,
        trigger_offset=trigger.offset,
        entered_at=now,
        context=trigger.packed,
        version=flow.version,
        depth=trigger.depth,
    )
    armed = arm(flow, enrollment, profile, step=0, base_at=trigger.occurred_at, now=now)
    values = _values(trigger, "anchor_at")
    if flow.filter is not None:
        values |= filters.found(flow.filter, View(trigger.words, profile, enrollment, flow, now, trigger.offset))
    entered = Note(outcome="entered", reason="triggered", values=values)
    return judge_history(flow, enrollment, profile, entered, now, armed=armed)


def _judge_again(flow: Flow, live: Enrollment, profile: Profile, trigger: Trigger, now: int) -> Verdict:
    place = place_of(flow, live)
    waits = place is not None and isinstance(flow.steps[place], Waiting) and live.chosen < 0
    ignores = flow.retrigger in ("ignore", "parallel") or (flow.retrigger == "extend" and not waits)
    if ignores or trigger.occurred_at < live.triggered_at:
        enrollment = copy.copy(live)
        enrollment.ignored += 1
        return Verdict(enrollment, (Note(outcome="ignored", reason="live"),), enrollment)
    refusal = (
        (_judge_status(flow) if flow.retrigger == "end_and_restart" else None)
        or _judge_freshness(flow, trigger, now)
        or _judge_room(flow, profile, trigger, instead_of=live)
    )
    if refusal is not None:
        return Verdict(live, (refusal,), live)
    if flow.retrigger == "end_and_restart":
        superseded = Note(outcome="ended", reason="superseded", values={"triggered_at": to_wire(trigger.occurred_at)})
        return Verdict(None, (superseded,), live, then=_enroll(flow, profile, trigger, live.key, now))
    enrollment = copy.copy(live)
    enrollment.triggered_at = trigger.occurred_at
    if flow.retrigger != "extend":
        enrollment.visit += 1
        enrollment.context = trigger.packed
    armed = Armed()
    if flow.retrigger == "restart":
        enrollment.version = flow.version
        enrollment.anchor_at = trigger.occurred_at
        enrollment.trigger_offset = trigger.offset
        enrollment.unsettled, enrollment.gate, enrollment.waited = "", "", False
        enrollment.depth = trigger.depth
        armed = arm(flow, enrollment, profile, step=0, base_at=trigger.occurred_at, now=now)
    elif place is not None and waits:
        armed = arm(flow, enrollment, profile, step=place, base_at=trigger.occurred_at, now=now)
    values = _values(trigger, "triggered_at")
    restarted = Note(outcome="restarted", reason=flow.retrigger, values=values)
    return judge_history(flow, enrollment, profile, restarted, now, armed=armed)


def _values(trigger: Trigger, name: str) -> dict[str, Any]:
    """Its moment under this name, and by whose clock that came if it is one of the calendar."""
    values = {name: to_wire(trigger.occurred_at)}
    if trigger.zone is not None:
        values |= {"zone": trigger.zone.name, "zone_from": trigger.zone.source}
    return values


def judge_history(
    flow: Flow, enrollment: Enrollment, profile: Profile, note: Note, now: int, *, armed: Armed = WAITS
) -> Verdict:
    """Exit rules on what is known already: an order may have reached the log before its checkout. Then a wait that
    has no end.
    """
    enrollment.exits_held = 0  # what was seen under the rules of another version says nothing about these
    notes, over = (note, *armed.notes), None
    told: list[Note] = []
    if flow.exit_check == "at_send":
        enrollment.exits_held = held_before(flow, enrollment, profile)
    else:
        over = first_held(flow, enrollment, profile, now=now, told=told)
    if over is None and armed.ends:
        over = Note(outcome="ended", reason=armed.ends, values={"anchor_at": to_wire(enrollment.anchor_at)})
    if over is not None:
        return Verdict(None, (*notes, over, *told), enrollment)
    return Verdict(enrollment, (*notes, *told), enrollment)


def _judge_status(flow: Flow) -> Note | None:
    return _note_refused("draining", {"status": flow.status}) if flow.status == "draining" else None


def _judge_freshness(flow: Flow, trigger: Trigger, now: int) -> Note | None:
    if now - trigger.occurred_at <= flow.max_trigger_age_ms:
        return None
    values = {
        "occurred_at": to_wire(trigger.occurred_at),
        "appended_at": to_wire(now),
        "max_trigger_age_seconds": flow.max_trigger_age_ms / 1000,
    }
    return _note_refused("trigger_too_old", values)


def _judge_room(flow: Flow, profile: Profile, trigger: Trigger, *, instead_of: Enrollment | None = None) -> Note | None:
    live = len(profile.enrollments) - (instead_of is not None)
    if live >= ENROLLMENTS_MAX:
        live -= sum(one.flow in flow.unseen for one in profile.enrollments)
    if live >= ENROLLMENTS_MAX:
        return _note_refused("too_many_enrollments", {"live": live, "max": ENROLLMENTS_MAX})
    size = profile.weight + len(trigger.packed) - (0 if instead_of is None else len(instead_of.context))
    if size + len(profile.dedupe) <= ENROLLED_BYTES_MAX:  # even if every key were one that lasts
        return None
    size += lasting_bytes(profile.dedupe)
    if size > ENROLLED_BYTES_MAX:
        return _note_refused("state_full", {"bytes": size, "max": ENROLLED_BYTES_MAX})
    return None


def _note_refused(reason: str, values: dict[str, Any]) -> Note:
    return Note(outcome="refused", reason=reason, values=values)


def _refused(reason: str, values: dict[str, Any]) -> Verdict:
    return Verdict(None, (_note_refused(reason, values),))
