"""Exit rules: has something happened, or become true, that makes the reminder pointless?

For example:

    10:00  checkout C1 (anchor)   10:20  order for C1              -> ended `bought_this_cart` at 10:20
    10:00  checkout C1            10:02  order of 09:58            -> counts: within `skew`, appended after the trigger
    person: { fact: { country: { eq: CH } } }, stated at 10:30     -> ended at 10:30
"""

from __future__ import annotations

from schemas.flow import ExitRule, Flow
from schemas.instants import to_wire
from schemas.profile import Enrollment, Profile, Seen
from streams.matching import comes_from as comes_from
from streams.matching import counts_for, fits
from streams.predicates import compared, judge
from streams.verdict import Note
from streams.view import View


def first_held(flow: Flow, enrollment: Enrollment, profile: Profile, *, now: int, told: list[Note]) -> Note | None:
    """The end by the first rule that holds already, on past events and on what is known of the person."""
    if not profile.history and not flow.ended_by_person:
        return None
    view = View(None, profile, enrollment, flow, now, told=told)
    for rule in flow.exits:
        if rule.person is not None:
            if judge(rule.person, view) is True:
                return ended_by(rule, None, view)
        else:
            for seen in profile.history:
                if holds(rule, seen, flow=flow, enrollment=enrollment):
                    return ended_by(rule, seen, view)
    return None


def held_by(flow: Flow, enrollment: Enrollment, seen: Seen | None) -> int:
    """Which rules this event makes true, as bits: bit i is rule i."""
    bits = 0
    if seen is not None:
        for i, rule in enumerate(flow.exits):
            if holds(rule, seen, flow=flow, enrollment=enrollment):
                bits |= 1 << i
    return bits


def held_before(flow: Flow, enrollment: Enrollment, profile: Profile) -> int:
    """The same of all past events."""
    bits = 0
    for seen in profile.history:
        bits |= held_by(flow, enrollment, seen)
    return bits


def true_of(flow: Flow, view: View) -> int:
    """Which rules on the person are true now, as bits."""
    bits = 0
    for i, rule in enumerate(flow.exits):
        if rule.person is not None and judge(rule.person, view) is True:
            bits |= 1 << i
    return bits


def first_of(flow: Flow, bits: int) -> ExitRule | None:
    """The first rule whose bit is set."""
    return next((rule for i, rule in enumerate(flow.exits) if bits >> i & 1), None) if bits else None


def holds(rule: ExitRule, seen: Seen, *, flow: Flow, enrollment: Enrollment) -> bool:
    """Whether one event makes one rule true for one enrollment. A `where` that is unknown does not."""
    if rule.when is None or seen.type != rule.when.event or not fits(rule.when, seen.source, seen.words):
        return False
    return counts_for(enrollment, seen, match=rule.match, skew_ms=flow.skew_ms)


def over(flow: Flow, enrollment: Enrollment, profile: Profile, view: View) -> Note | None:
    """The end by the first rule that has been made true, or is true by now, for who is about to do something."""
    rule = first_of(flow, enrollment.exits_held | true_of(flow, view))
    if rule is None:
        return None
    made_it = (seen for seen in reversed(profile.history) if holds(rule, seen, flow=flow, enrollment=enrollment))
    return ended_by(rule, next(made_it, None), view)


def ended_by(rule: ExitRule, seen: Seen | None, view: View) -> Note:
    """The note of an enrollment that a rule ended: what was compared, and the event that made it true."""
    values = {} if rule.person is None else compared(rule.person, view)
    if seen is not None:
        values |= {"event": seen.type, "occurred_at": to_wire(seen.occurred_at), **seen.words}
    return Note(outcome="ended", reason=rule.reason, values=values)
