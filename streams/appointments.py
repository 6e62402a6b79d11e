"""Appointments: when flows that begin by the clock look at a person next. Kept in the person's state, like a wait.

Made when an event of the person is processed or a flow sets a fact; made anew when what they follow from changes.

For example:

    date: { fact: birthday, before: 3d, at: "09:00", yearly: true }, born on 1990-02-29, in Europe/Berlin
        -> 25 February 09:00 of each year without a leap day, 26 February of the others
    schedule: { at: "09:00", day: 31 }  -> 31 January, 28 February, 31 March ...
    a moment that an outage of three days has held up -> refused `trigger_too_old`, and the next one is made
"""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from schemas import codec
from schemas.dossier import Appointment
from schemas.event import LoggedEvent
from schemas.flow import DateTrigger, Flow, ScheduleTrigger
from schemas.identity import Identity
from schemas.instants import from_wire, to_datetime, to_wire
from schemas.profile import NEVER, Profile
from streams import shown, zone
from streams.arming import moment_of
from streams.clock.wall import instant_of, local
from streams.clock.wall import next_at as next_time
from streams.program import Program
from streams.verdict import Trigger

_MONTHS_LOOKED_AT = 3
_YEARS_LOOKED_AT = 12  # a span of up to ten years lies between the date and the moment


def keep(program: Program, profile: Profile, *, now: int) -> bool:
    """Make the appointments that are missing, or were computed from something else. True if any has moved."""
    known = {} if profile.dossier is None else profile.dossier.appointments
    renewed_offset, renewed_at = program.renewed
    moved = False
    for flow in program.calendar:
        seen = shown.seen_by(flow, profile)
        of = _of(program, flow, seen)
        have = known.get(flow.name)
        if have is None or have.of != of:
            met_at = 0 if have is None else have.met_at
            since = now if have is None or profile.applied_offset >= renewed_offset else min(now, renewed_at)
            at = _next(flow, seen, after=max(since - 1, met_at))  # a moment that is now counts, but once
            profile.known().appointments[flow.name] = Appointment(at, of, met_at)
            moved = True
    gone = {name for name in known if name not in program.flows or program.flows[name].appointment is None}
    for name in gone:
        del profile.known().appointments[name]
    return moved or bool(gone)


def next_at(program: Program, profile: Profile, *, resting: bool = False) -> int:
    """The earliest moment at which a flow that we run looks at this person; or one that rests would, were it run."""
    known = {} if profile.dossier is None else profile.dossier.appointments
    if not known:
        return NEVER
    names = program.resting if resting else [flow.name for flow in program.calendar if flow.status != "held"]
    return min((known[name].at for name in names if name in known), default=NEVER)


def due(program: Program, profile: Profile, *, through_at: int, now: int, offset: int) -> tuple[Flow, Trigger] | None:
    """The trigger of the first appointment that is due; that flow gets its next one. What is long past is left out."""
    for flow in program.calendar:
        have = None if profile.dossier is None else profile.dossier.appointments.get(flow.name)
        if have is None or have.at > through_at or flow.status == "held":
            continue
        seen = shown.seen_by(flow, profile)
        trigger = _trigger(flow, seen, have.at, offset)
        after = max(have.at, now - flow.max_trigger_age_ms - 1)
        profile.known().appointments[flow.name] = Appointment(_next(flow, seen, after=after), have.of, have.at)
        return flow, trigger
    return None


def _of(program: Program, flow: Flow, profile: Profile) -> str:
    """What the next one is computed from. What has passed while the flow was stopped is not caught up with."""
    fact = zone.fact(profile, flow.appointment.fact) if isinstance(flow.appointment, DateTrigger) else None
    came_back = program.stopped_once.get(flow.name, "")
    return f"{flow.version} {zone.of(profile, flow).name} {fact}{came_back and f' {came_back}'}"


def _next(flow: Flow, profile: Profile, *, after: int) -> int:
    """The first moment later than `after`; NEVER if there is none any more."""
    where, wanted = zone.of(profile, flow).name, flow.appointment
    if isinstance(wanted, ScheduleTrigger):
        return _next_scheduled(wanted, after=after, zone_name=where)
    assert wanted is not None
    value = zone.fact(profile, wanted.fact)
    if value is None:
        return NEVER
    moments = [_moment(wanted, value, where, year=None)]
    if wanted.yearly:
        this_year = local(after, where)[0].year
        years = range(this_year - _YEARS_LOOKED_AT, this_year + _YEARS_LOOKED_AT)
        moments = [_moment(wanted, value, where, year=year) for year in years]
    return min((at for at in moments if at is not None and at > after), default=NEVER)


def _moment(wanted: DateTrigger, value: str, where: str, *, year: int | None) -> int | None:
    if year is not None:
        try:
            day = date.fromisoformat(value) if len(value) == len("2026-05-01") else local(from_wire(value), where)[0]
        except (ValueError, OverflowError):
            return None
        leap = (day.month, day.day) == (2, 29)
        value = (date(year, 3, 1) - timedelta(days=1) if leap else day.replace(year=year)).isoformat()
    return moment_of(value, span=wanted.span, side=wanted.side, at_ms=wanted.at_ms, zone=where)


def _next_scheduled(wanted: ScheduleTrigger, *, after: int, zone_name: str) -> int:
    if not wanted.day_of_month:
        return next_time(after + 1, wanted.at_ms, zone_name, frozenset(wanted.weekdays))
    today = local(after, zone_name)[0]
    for months in range(-1, _MONTHS_LOOKED_AT):
        count = today.year * 12 + today.month - 1 + months
        last = date((count + 1) // 12, (count + 1) % 12 + 1, 1) - timedelta(days=1)
        moment = instant_of(last.replace(day=min(last.day, wanted.day_of_month)), wanted.at_ms, zone_name)
        if moment > after:
            return moment
    raise AssertionError("each month has such a day")


def _trigger(flow: Flow, profile: Profile, at: int, offset: int) -> Trigger:
    """As if an event had said that the moment has come. Its words are that moment and what the fact says."""
    words = {"moment": to_wire(at)}
    if isinstance(flow.appointment, DateTrigger):
        words["date"] = zone.fact(profile, flow.appointment.fact) or ""
    identity = Identity(**{kind: fact.value for kind, fact in profile.identifiers.items()})
    event = LoggedEvent(
        id=f"{flow.trigger.event} {to_wire(at)}",
        source="cartwheel",
        type="cartwheel.moment.reached",
        time=to_datetime(at),
        identity=msgspec.Raw(codec.encode(identity)),
    )
    where = zone.of(profile, flow)  # that of the moment: with another, `keep` would have made it anew
    return Trigger(event, flow.trigger.event, at, offset, words, packed=codec.pack_words(words), zone=where)
