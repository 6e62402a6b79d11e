"""Recall and regret: decisions to send are judged again when an event changes what they rested on (semantics 7.2, 9).

For example, a reminder of 11:00, valid until 11:15:

    11:04  an order                           -> recalled `bought`: the command may still be waiting
    12:00  an order of 12:00                  -> nothing: the reminder has done its work
    12:00  an order of 10:55 that comes late  -> regretted: it should never have gone

No receipt: until its time is over it counts as undelivered, after that as delivered. Each decision is judged once.
"""

from __future__ import annotations

from schemas.decision import Outcome
from schemas.dossier import Message
from schemas.instants import from_wire, to_wire
from schemas.limits import REGRET_MS
from schemas.profile import Profile, Seen
from schemas.steps import Send
from streams import exits, messages
from streams.gates import GATES, RECALLING
from streams.gates.answer import Answer, Over, Skip
from streams.passage import Passage
from streams.program import Program
from streams.recorder import Recorder
from streams.verdict import Note, Trigger
from streams.watermarks import Gates, Watermarks

SAID_AT = {"consent": "withdrawn_at", "suppression": "since"}  # gates, and what of their answers says when
NO_GATES = Gates(Watermarks(), "")


def judge_again(
    program: Program, profile: Profile, trigger: Trigger, seen: Seen | None, *, now: int, out: Recorder
) -> None:
    """After an event has been applied. `seen` is the same as exit rules see it, None if none looks at it."""
    for message in () if profile.dossier is None else profile.dossier.messages:
        over = message.status == "returned" or now - message.decided_at > REGRET_MS
        if message.again_at or not (message.judged or over):
            _judge(program, profile, message, trigger, seen, now=now, out=out)


def _judge(
    program: Program,
    profile: Profile,
    message: Message,
    trigger: Trigger,
    seen: Seen | None,
    *,
    now: int,
    out: Recorder,
) -> None:
    open_ = bool(message.again_at) or messages.is_undelivered(message, now)
    passage = _passage(program, profile, message, seen, now=now if open_ else message.decided_at)
    if passage is None:
        message.turned = False
        return
    found = _refusal(passage, message, open_=open_)
    for told in passage.notes:
        out.note(passage.flow, profile, passage.enrollment, told, now=now)
    if found is None:
        message.turned = False
        return
    gate, answer = found
    if not open_:
        counted = exits.first_of(passage.flow, passage.enrollment.exits_held)
        had_turned, message.turned = message.turned, message.turned or counted is None
        if trigger.occurred_at > message.decided_at or (had_turned and counted is None):
            return  # what has changed in its own time is no mistake
        gate, answer = (gate, answer) if counted is None else ("exits", Over(counted.reason))
    message.judged = True
    values = {"decided_at": to_wire(message.decided_at), "occurred_at": to_wire(trigger.occurred_at)}
    if message.again_at:
        message.again_at, message.waiting = 0, ""
        note = Note(outcome="skipped", reason=answer.reason, step=message.step, values=values)
    else:
        message.recalled = open_
        outcome: Outcome = "recalled" if open_ else "regretted"
        note = Note(outcome=outcome, reason=answer.reason, step=message.step, values=values, message=message)
    if note.outcome == "regretted":
        out.tallies[("regretted", message.flow, trigger.event.source, gate)] += 1
    out.note(passage.flow, profile, passage.enrollment, note, now=now)


def _passage(program: Program, profile: Profile, message: Message, seen: Seen | None, *, now: int) -> Passage | None:
    run = messages.run_of(message)
    flow = program.flow_of(run)
    if flow is None:
        return None
    run.exits_held = 0 if seen is None else exits.held_by(flow, run, seen)
    return Passage(
        flow=flow, enrollment=run, profile=profile, gates=NO_GATES, now=now, policy=program.policy, notes=[],
        ordered_for=None if message.again_at else message.storefront,
    )  # fmt: skip


def _refusal(passage: Passage, message: Message, *, open_: bool) -> tuple[str, Answer] | None:
    """The first of the gates that take a message back that is shut now, and what it says. What somebody has said after
    a message was delivered says nothing about it, now or later.
    """
    step = next((one for one in passage.flow.steps if one.label == message.step), None)
    if not isinstance(step, Send):
        return None
    free = frozenset({"consent"}) if step.message_class == "transactional" else frozenset[str]()
    answers = ((name, GATES[name](step, passage)) for name in RECALLING if name not in free)
    refusals = ((name, answer) for name, answer in answers if answer is not None)
    return next((one for one in refusals if open_ or not _is_said_later(*one, message)), None)


def _is_said_later(gate: str, answer: Answer, message: Message) -> bool:
    """Whether consent was withdrawn, or the channel suppressed, after the decision."""
    if gate not in SAID_AT or not isinstance(answer, Skip):
        return False
    said_at = answer.values.get(SAID_AT[gate])
    return said_at is not None and from_wire(said_at) > message.decided_at
