"""Waking: whose moment has come, which gate has opened, whose flow has been stopped; and when each is to be woken next.

Changes the profile it is given, as `streams.person` does, whose part for events this is for time.
"""

from __future__ import annotations

from collections.abc import Callable

from schemas.flow import Flow
from schemas.instants import to_wire
from schemas.profile import NEVER, Enrollment, Profile
from streams import appointments, messages, person, priority, resend
from streams.decide import decide
from streams.gates.settle import gates_at
from streams.holds import Hold
from streams.program import Program
from streams.recorder import Recorder
from streams.verdict import Note, Verdict, Wakeup
from streams.watermarks import Gates

MayGo = Callable[[Flow, Enrollment], bool]
TURNS_MAX = 10_000  # of one person at one moment; the program is wrong then, and this profile is set aside


def wake(
    program: Program,
    profile: Profile,
    *,
    through_at: int,
    calendar_through_at: int,
    gates: Gates,
    gates_through_at: int,
    now: int,
    out: Recorder,
) -> bool:
    """Run every enrollment whose moment is not after `through_at`, or whose gate is open. False: there was none.

    Of those at an open gate, only who has been due there by `gates_through_at` goes through it.
    """

    def may_go(flow: Flow, enrollment: Enrollment) -> bool:
        held = enrollment.held and enrollment.due_at <= gates_through_at
        return enrollment.wakeup_at <= through_at or (held and _gate_open(flow, enrollment, gates))

    over = bool(program.over_before) and _end_due(program, profile, may_go, now=now, out=out)
    went = begun = again = False
    moved = False
    met_through_at = min(through_at, calendar_through_at)
    wakeup = Wakeup(gates, program.policy)
    for _ in range(TURNS_MAX):
        turns = _woken(program, profile, may_go)
        if expired := profile.again():
            turns += resend.due(program, expired, through_at=through_at, gates=gates, gates_through_at=gates_through_at)
        if not (turns or program.calendar):
            break
        earlier = messages.of(profile)
        if turns:
            flow, one, message = priority.first(turns, profile, wakeup, now=now)
            if message is not None:
                again = True
                resend.judge(program, profile, message, gates=gates, now=now, out=out)
            elif flow is not None:
                went = True
                _go_on(program, flow, profile, one, wakeup, now=now, out=out)
        else:
            moved |= appointments.keep(program, profile, now=now)
            met = appointments.due(program, profile, through_at=met_through_at, now=now, offset=out.offset - 1)
            if met is None:
                break
            begun = True
            person.judge_entry(program, met[0], profile, met[1], now=now, out=out)
        person.follow_up(program, profile, earlier, now=now, out=out)
    else:
        raise AssertionError(f"after {TURNS_MAX} turns at one moment there are more, though each moves on or ends")
    done = went or over or begun
    if done:
        person.keep_time(program, profile, now=now, out=out)
    return done or again or moved


def _end_due(program: Program, profile: Profile, may_go: MayGo, *, now: int, out: Recorder) -> bool:
    """End whoever would go on in a flow that has been stopped. False: there was none."""
    over = [
        (flow, one) for one in profile.enrollments
        if (flow := _awake(program, one)) is not None and program.is_over(one) and may_go(flow, one)
    ]  # fmt: skip
    for flow, one in over:
        _stop(flow, profile, one, now=now, out=out)
        person.follow_up(program, profile, now=now, out=out)
    return bool(over)


def _woken(program: Program, profile: Profile, may_go: MayGo) -> list[priority.Turn]:
    """Whose turn it may be: asked before each, as each may end others, have them wait anew, or bring others in."""
    turns = []
    for one in profile.enrollments:
        flow = _awake(program, one)
        if flow is not None and may_go(flow, one):
            turns.append(priority.Turn(flow, one))
    return turns


def _awake(program: Program, enrollment: Enrollment) -> Flow | None:
    flow = program.flow_of(enrollment)
    return None if flow is None or flow.status == "held" else flow


def _go_on(
    program: Program, flow: Flow, profile: Profile, enrollment: Enrollment, wakeup: Wakeup, *, now: int, out: Recorder
) -> None:
    """One run, up to its next wait."""
    if not enrollment.held:
        out.latenesses[flow.name].append(now - enrollment.wakeup_at)
    verdict = decide(flow=flow, enrollment=enrollment, profile=profile, happening=wakeup, now=now)
    person.carry_out(flow, profile, verdict, now=now, out=out)
    for note in verdict.notes:
        if note.order is not None and flow.status != "shadow":
            messages.remember(profile, note.order.message, keep_ms=program.remembers_ms, out=out)
    if verdict.effects is not None and verdict.about is not None:
        person.take_effect(program, flow, profile, verdict.about, verdict.effects, now=now, out=out)


def end_over(program: Program, profile: Profile, *, now: int, out: Recorder) -> bool:
    """End every enrollment whose flow has been stopped, wherever it waits. False: there was none."""
    over = [one for one in profile.enrollments if program.is_over(one)]
    for enrollment in over:
        flow = program.flow_of(enrollment)
        assert flow is not None, "only a flow that is there can have been stopped"
        _stop(flow, profile, enrollment, now=now, out=out)
    if over:
        person.follow_up(program, profile, now=now, out=out)
    return bool(over)


def outlook(program: Program, profile: Profile, *, in_held_flows: bool = False) -> tuple[int, tuple[Hold, ...]]:
    """The earliest moment at which an enrollment, or a flow that begins by the clock, has something to do; or at which
    an enrollment would have, were its flow not held. And the gates that are waited at, each with its due time.
    """
    wakeup_at = NEVER if profile.dossier is None else appointments.next_at(program, profile, resting=in_held_flows)
    holds: tuple[Hold, ...] = ()
    for run in messages.runs(profile):
        flow = program.flow_of(run)
        if flow is None or (flow.status == "held") != in_held_flows:
            continue
        wakeup_at = min(wakeup_at, run.wakeup_at)
        if run.held and (sources := gates_at(flow, run)):
            holds = (*holds, (sources, run.due_at))
    return wakeup_at, holds


def enrolled_until(program: Program, profile: Profile) -> int:
    """The earliest moment at which an enrollment has something to do."""
    flows = ((run, program.flow_of(run)) for run in messages.runs(profile))
    return min((run.wakeup_at for run, flow in flows if flow is not None and flow.status != "held"), default=NEVER)


def _stop(flow: Flow, profile: Profile, enrollment: Enrollment, *, now: int, out: Recorder) -> None:
    values = {"anchor_at": to_wire(enrollment.anchor_at)}
    note = Note(outcome="ended", reason="stopped", step=enrollment.step, values=values)
    out.tallies[("timer", flow.name, "canceled")] += 1
    person.carry_out(flow, profile, Verdict(None, (note,), enrollment), now=now, out=out)


def _gate_open(flow: Flow, enrollment: Enrollment, gates: Gates) -> bool:
    sources = gates_at(flow, enrollment)
    return bool(sources) and gates.open(sources, due_at=enrollment.due_at)
