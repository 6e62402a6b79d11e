"""Messages whose command has expired: judged again by all gates, whatever has become of their run meanwhile.

A new command has a new id, because its visit is a new one. For example:

    10:15  ordered; the mail server is down   10:31  receipt `expired`   -> judged again at the next tick: sent, visit 2
    10:15  ordered                            10:20  order   -> recalled;   10:31  receipt `expired` -> nothing more
    10:15  ordered                            10:20  the flow is stopped;   10:31  receipt `expired` -> `stopped`
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.dossier import Message
from schemas.profile import Profile
from schemas.steps import Send
from streams import exits, messages
from streams.gates.settle import WAITING, gates_at
from streams.passage import End, Hold, Passage
from streams.priority import Turn
from streams.program import Program
from streams.recorder import Recorder
from streams.steps import send
from streams.verdict import Note
from streams.watermarks import Gates


def schedule(message: Message, *, now: int) -> None:
    """It is to be judged again at the next moment."""
    message.again_at = message.due_at = now
    message.waiting, message.unfiltered = "expired", False  # with its new moment it is not late


def due(
    program: Program, expired: Sequence[Message], *, through_at: int, gates: Gates, gates_through_at: int
) -> list[Turn]:
    """Of the messages that are to be judged again, those due by `through_at`, or whose gate is open."""
    found = []
    for message in expired:
        run = messages.run_of(message)
        flow = program.flow_of(run)
        if flow is not None and flow.status == "held":
            continue
        held = flow is not None and message.waiting == WAITING and message.due_at <= gates_through_at
        is_open = flow is not None and held and gates.open(gates_at(flow, run), due_at=message.due_at)
        if message.again_at <= through_at or is_open:
            found.append(Turn(flow, run, message))
    return found


def judge(program: Program, profile: Profile, message: Message, *, gates: Gates, now: int, out: Recorder) -> None:
    """Order it anew, or not, or wait on."""
    run = messages.run_of(message)
    flow = program.flow_of(run)
    step = None if flow is None else next((one for one in flow.steps if one.label == run.step), None)
    if flow is None or not isinstance(step, Send):
        message.again_at = 0  # of a flow or a step that is gone
        return
    if program.is_over(run):
        message.again_at, message.waiting, message.context = 0, "", messages.trimmed(flow, message.context)
        out.note(flow, profile, run, Note(outcome="skipped", reason="stopped", step=step.label), now=now)
        return
    run.exits_held = exits.held_before(flow, run, profile)
    run.visit = _next_visit(profile, message)
    passage = Passage(flow=flow, enrollment=run, profile=profile, gates=gates, now=now, policy=program.policy, notes=[])
    move = send.run(step, passage)
    if isinstance(move, End):
        passage.notes.append(Note(outcome="skipped", reason=move.reason, step=step.label, values=move.values))
    if isinstance(move, Hold):
        message.again_at, message.waiting = max(move.until_at, now), run.waiting
        message.due_at, message.room_until, message.held_ms = run.due_at, run.room_until, run.held_ms
        message.zone = run.zone
    else:
        message.again_at, message.waiting, message.context = 0, "", messages.trimmed(flow, message.context)
    for note in passage.notes:
        out.note(flow, profile, run, note, now=now)
        if note.order is not None and flow.status != "shadow":
            messages.remember(profile, note.order.message, keep_ms=program.remembers_ms, out=out)
            _count_on(profile, note.order.message)


def _next_visit(profile: Profile, message: Message) -> int:
    visits = [one.visit for one in profile.known().messages if one.enrollment_id == message.enrollment_id]
    live = [one.visit for one in profile.enrollments if one.enrollment_id == message.enrollment_id]
    return 1 + max(visits + live)


def _count_on(profile: Profile, message: Message) -> None:
    """A run that still goes on must not come to the same visit, and so to the same command, a second time."""
    for one in profile.enrollments:
        if one.enrollment_id == message.enrollment_id:
            one.visit = message.visit + 1
