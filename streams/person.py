"""One profile and one record: what an event or a wakeup does to everything this person is in.

Changes the profile it is given; the caller owns it until the unit of work is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw
from msgspec.structs import replace

from schemas.dossier import Message
from schemas.event import LoggedEvent
from schemas.flow import Flow
from schemas.identity import KINDS, Identity, named
from schemas.profile import NOTHING_STATED, Enrollment, Fact, Presence, Profile, Seen
from schemas.steps import Send
from streams import acts, appointments, dedupe, effects, history, messages, recall, reentry, shown, weight, zone
from streams.counting import count
from streams.decide import decide
from streams.entry import key_of, live_of, step_of
from streams.gates.hours import REASONS as HOURS
from streams.interest import Interest
from streams.learning import learn, state
from streams.program import Program
from streams.reading import read_whole
from streams.recorder import Recorder
from streams.unit import Record
from streams.values import text_of
from streams.verdict import Effects, Passing, Trigger, Verdict, ZoneChange


def recognize(profile: Presence, event: LoggedEvent, record: Record, now: int, out: Recorder) -> dedupe.Answer:
    """Whether this profile has had the event before; a new one is remembered, and a copy that differs put aside."""
    key, body = dedupe.fingerprint(event)
    if profile.dedupe.find(key) != -1:  # or bytes that look like it, across two entries; `in` takes twice as long
        answer = dedupe.look_up(profile.dedupe, key=key, body=body, now=now)
        if answer != "new":
            if answer == "conflict":
                first_at = dedupe.first_at(profile.dedupe, key=key)
                out.refuse_record(record, answer, dedupe.tell_conflict(first_at), now=now, first_at=first_at)
                profile.conflicts += 1
            else:
                out.tallies[("event", answer)] += 1
            return answer
    room = weight.ROOM - profile.weight
    profile.dedupe, evicted = dedupe.remember(profile.dedupe, key, body, now, room)
    if evicted:
        out.tallies[("evicted", "dedupe")] += evicted
    return "new"


def notice(profile: Presence, stated: Raw, identity: Identity | None, occurred_at: int) -> None:
    """Learn what every new event tells: who it is about, and that they were there.

    `stated` are the identifiers as they stand in the event, `identity` the same decoded; None when the profile knows
    them already, which is what most events find.
    """
    if occurred_at > profile.last_active_at:
        profile.last_active_at = occurred_at
    if identity is not None:
        _learn(profile, stated, identity, occurred_at)
        return
    for fact in profile.facts:
        if fact.occurred_at < occurred_at:
            fact.occurred_at = occurred_at


def take_event(program: Program, profile: Profile, trigger: Trigger, *, now: int, out: Recorder) -> bool:
    """Apply one new event: what it says of the person, exits, entries, earlier decisions, history, in this order.

    Backfill never enrolls. False: nobody asks for such an event, it only tells that somebody was there.
    """
    interest, is_act = program.interests.get(trigger.type, program.otherwise), trigger.type in acts.PARTS
    ordered = messages.of(profile)
    if interest is None and not is_act:
        if ordered:
            recall.take_back(program, profile, ordered, recall.NO_FLOW, now=now, out=out, trigger=trigger)
        return False
    concerned = None if interest is None or is_act else interest.ends
    late = recall.late_for(program, profile, trigger, concerned, now=now) if ordered else []
    if is_act:
        acts.apply(program, profile, trigger, now=now, out=out)
    seen = None if interest is None else _take(program, profile, trigger, interest, now=now, out=out)
    if program.watch_flows:
        follow(program, profile, now=now, out=out)
    if ordered:
        recall.judge_again(program, profile, trigger, seen, late, concerned, now=now, out=out)
    if seen is not None and interest is not None and interest.kept is not None:
        history.keep(profile, seen, interest.kept, out)
    return True


def _take(
    program: Program, profile: Profile, trigger: Trigger, interest: Interest, *, now: int, out: Recorder
) -> Seen | None:
    """Facts, counters, exits, then entries. Returns the event as exit rules see it, if one looks at it."""
    event, words, concerned = trigger.event, trigger.words, interest.ends
    if interest.states and learn(
        profile, event, trigger.type, trigger.occurred_at, kinds=program.facts, asked=program.read_off, out=out
    ):
        concerned |= program.watch_facts
    if program.watch_sight:
        concerned |= program.watch_sight
    seen = None
    if concerned or interest.counters or interest.kept is not None:
        asked = {name: words[name] for name in interest.seen_words if name in words}
        seen = Seen(
            type=trigger.type, source=event.source, occurred_at=trigger.occurred_at, offset=trigger.offset, words=asked
        )
        if interest.counters:
            count(profile, interest.counters, seen, program.counters, out)
    if concerned:
        _judge_exits(program, profile, concerned, seen, now=now, out=out)
    if not event.backfill:
        begun, passed = interest.begins(event.source, words)
        if passed:
            out.tallies[("where_false", trigger.type)] += passed
        if begun:
            read_whole(trigger, interest)
            trigger.depth = effects.depth_of(event.source)
        for flow in begun:
            judge_entry(program, _judging(program, flow, profile, trigger), profile, trigger, now=now, out=out)
    return seen


def keep_time(program: Program, profile: Profile, *, now: int, out: Recorder) -> bool:
    """Bring what depends on facts and on the zone in line with them: appointments and waits. True if any has moved.

    For whoever has changed a profile; an event that changes neither costs a look.
    """
    moved = bool(profile.enrollments) and rezone(program, profile, now=now, out=out)
    if profile.dossier is not None and (again := profile.again()):
        moved |= _rezone_again(program, profile, again, now=now)
    if program.calendar:
        moved |= appointments.keep(program, profile, now=now)
    return moved


def rezone(program: Program, profile: Profile, *, now: int, out: Recorder) -> bool:
    """Compute the waits by the calendar or the wall clock, and for hours, anew if the person's zone is another one
    (semantics 5.5).
    """
    moved = False
    for enrollment in list(profile.enrollments):
        if not enrollment.zone:
            continue
        flow = program.flow_of(enrollment)
        if flow is None or not _is_elsewhere(flow, shown.seen_by(flow, profile), enrollment):
            continue
        if enrollment.held:
            if enrollment.waiting in HOURS and enrollment.wakeup_at > now:  # judged again at once (semantics 8.7)
                enrollment.wakeup_at = enrollment.due_at = now
                moved = True
        else:
            verdict = decide(flow=flow, enrollment=enrollment, profile=profile, happening=ZoneChange(), now=now)
            moved |= verdict.enrollment is not enrollment
            carry_out(flow, profile, verdict, now=now, out=out)
    return moved


def _rezone_again(program: Program, profile: Profile, again: Sequence[Message], *, now: int) -> bool:
    """The same for messages whose command has expired."""
    moved = False
    for message in [one for one in again if one.waiting in HOURS and one.again_at > now]:
        run = messages.run_of(message)
        flow = program.flow_of(run)
        if flow is not None and _is_elsewhere(flow, shown.seen_by(flow, profile), run):
            message.again_at = message.due_at = now
            moved = True
    return moved


def _is_elsewhere(flow: Flow, profile: Profile, run: Enrollment) -> bool:
    """Whether the person's zone is another than that by whose clock this run waits."""
    if run.waiting not in HOURS:
        return zone.of(profile, flow, context=run.words()).name != run.zone
    step = step_of(flow, run)
    storefront = step.storefront if isinstance(step, Send) else None
    return zone.of_recipient(profile, flow, context=run.words(), storefront=storefront).name != run.zone


def _judge_exits(
    program: Program, profile: Profile, concerned: frozenset[str], seen: Seen | None, *, now: int, out: Recorder
) -> None:
    """Ask the exit rules of these flows. `seen` is None when no event has passed, but something else has changed."""
    for enrollment in list(profile.enrollments):
        if enrollment.flow in concerned:
            flow = program.flow_of(enrollment)
            assert flow is not None, "nobody is interested on behalf of a flow that is not there"
            verdict = decide(flow=flow, enrollment=enrollment, profile=profile, happening=Passing(seen), now=now)
            if verdict.enrollment is enrollment and not verdict.notes:
                continue  # as for most events: nothing has come of it
            if verdict.enrollment is None:
                out.tallies[("timer", flow.name, "canceled")] += 1
            carry_out(flow, profile, verdict, now=now, out=out)


def _judging(program: Program, flow: Flow, profile: Profile, trigger: Trigger) -> Flow:
    """The newest version, or the one that somebody is pinned to whom this trigger finds in the flow.

    What begins anew by the rules of that one begins in the newest.
    """
    if len(program.versions) == len(program.flows):
        return flow
    key = key_of(flow, trigger)
    live = None if key is None else live_of(flow, profile, key)
    own = None if live is None else program.flow_of(live)
    if own is None or own.retrigger not in ("restart", "end_and_restart"):
        return own or flow
    return replace(flow, retrigger=own.retrigger, filter=own.filter, max_trigger_age_ms=own.max_trigger_age_ms)


def follow_up(
    program: Program, profile: Profile, earlier: Sequence[Message] | None = None, *, now: int, out: Recorder
) -> None:
    """What follows when something other than an event has changed a person: ends that bring other ends, and recalls of
    earlier messages; all, unless told. What a run has just ordered is not judged twice for it.
    """
    if program.watch_flows:
        follow(program, profile, now=now, out=out)
    those = messages.of(profile) if earlier is None else earlier
    if those:
        recall.take_back(program, profile, those, recall.NO_FLOW, now=now, out=out)


def follow(program: Program, profile: Profile, *, now: int, out: Recorder) -> None:
    """Ask the exit rules that depend on where else the person is, until no end brings another one."""
    live = len(profile.enrollments) + 1
    while len(profile.enrollments) < live:
        live = len(profile.enrollments)
        _judge_exits(program, profile, program.watch_flows, None, now=now, out=out)


def judge_entry(program: Program, flow: Flow, profile: Profile, trigger: Trigger, *, now: int, out: Recorder) -> None:
    verdict = decide(flow=flow, enrollment=None, profile=profile, happening=trigger, now=now)
    enter(program, flow, profile, trigger, verdict, now=now, out=out)


def enter(
    program: Program, flow: Flow, profile: Profile, trigger: Trigger, verdict: Verdict, *, now: int, out: Recorder
) -> None:
    """Carry out what a trigger means for a flow."""
    for note in verdict.notes:
        if note.outcome == "refused" and note.reason.startswith("reentry_"):
            out.tallies[("ignored", flow.name)] += 1
    carry_out(flow, profile, verdict, now=now, out=out)
    last = verdict.then or verdict
    if last.notes and last.notes[0].outcome == "refused":
        weight.add(profile, weight.REFUSAL_BYTES, out)
    elif last.enrollment is not None and last.notes[0].outcome in ("entered", "restarted"):
        _check_storefront(program, flow, profile, last.enrollment, out)
        weight.add(profile, weight.of_enrollment(last.enrollment, len(trigger.packed)), out)


def _check_storefront(program: Program, flow: Flow, profile: Profile, enrollment: Enrollment, out: Recorder) -> None:
    """Count the storefronts of its messages that the policy does not declare, where it declares any."""
    known = program.policy.storefronts
    if known:
        words = enrollment.words()
        named = {text_of(one, words=words, profile=profile) for one in flow.storefronts}
        if unknown := len(named - known.keys()):
            out.tallies[("unknown_storefront",)] += unknown


def carry_out(flow: Flow, profile: Profile, verdict: Verdict, *, now: int, out: Recorder) -> None:
    """Change the profile as the verdict says, and write down why."""
    about = verdict.about
    if about is not None:
        _put(profile, about.enrollment_id, verdict.enrollment)
    for note in verdict.notes:
        out.note(flow, profile, about, note, now=now)
    if about is not None:
        reentry.remember(flow, profile, about, verdict, now=now, out=out)
    if verdict.then is not None:
        carry_out(flow, profile, verdict.then, now=now, out=out)


def take_effect(
    program: Program, flow: Flow, profile: Profile, about: Enrollment, wanted: Effects, *, now: int, out: Recorder
) -> None:
    """Of a flow that only shows what it would decide, nothing but that it sees itself what it has set."""
    is_shadow, watching = flow.status == "shadow", program.watch_facts
    if is_shadow:
        changed, watching = shown.take(flow, profile, wanted.facts, out), watching & {flow.name}
    else:
        changed = _state(program, profile, wanted, out)
    if changed and watching:
        _judge_exits(program, profile, watching, None, now=now, out=out)
    for report in () if is_shadow else wanted.reports:
        effects.report(flow, profile, report, now=now, out=out)
    for one in wanted.offers:
        answer = effects.offer(program, flow, profile, about, one, offset=out.offset - 1)
        if not isinstance(answer, tuple):
            out.note(flow, profile, about, answer, now=now)
        elif not is_shadow:
            judge_entry(program, answer[0], profile, answer[1], now=now, out=out)


def _state(program: Program, profile: Profile, wanted: Effects, out: Recorder) -> bool:
    """Make facts of what a flow has set. True: some fact has changed."""
    changed = [
        state(
            profile, {name: one.value}, occurred_at=one.occurred_at, event_id=one.event_id, kinds=program.facts, out=out
        )
        for name, one in wanted.facts.items()
    ]
    shown.give_way(profile, wanted.facts)
    return any(changed)


def _put(profile: Profile, enrollment_id: str, after: Enrollment | None) -> None:
    for at, enrollment in enumerate(profile.enrollments):
        if enrollment.enrollment_id == enrollment_id:
            profile.enrollments[at : at + 1] = [] if after is None else [after]
            return
    if after is not None:
        profile.enrollments.append(after)


def _learn(profile: Presence, stated: Raw, identity: Identity, occurred_at: int) -> None:
    """Of two values of a kind, the one said later stays."""
    said, agreed = [], True
    for kind in KINDS:
        stated_value = getattr(identity, kind)
        if stated_value is None or (value := named(kind, stated_value)) is None:
            continue
        known = profile.identifiers.get(kind)
        if known is None or (known.value != value and (occurred_at, value) > (known.occurred_at, known.value)):
            known = profile.identifiers[kind] = Fact(value, occurred_at)
        elif known.value != value:
            agreed = False
        elif known.occurred_at < occurred_at:
            known.occurred_at = occurred_at
        said.append(known)
    profile.stated, profile.facts = (stated.copy(), tuple(said)) if agreed else (NOTHING_STATED, ())
