"""Recall and regret: decisions to send are judged again when what they rested on changes (semantics 7.3 to 7.5).

For example, a reminder of 11:00, valid until 11:15:

    11:04  an order                           -> recalled `bought`: the command may still be waiting
    11:04  another flow sets a fact           -> recalled `filter_false`, if the filter asks for that fact
    12:00  an order of 12:00                  -> nothing: the reminder has done its work
    12:00  an order of 10:55 that comes late  -> regretted: it should never have gone

No receipt: until its time is over it counts as undelivered, after that as delivered. Each decision is judged once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from schemas.dossier import NO_WORDS, Message
from schemas.instants import from_wire, to_wire
from schemas.limits import REGRET_MS
from schemas.profile import Profile, Seen
from schemas.steps import Send
from streams import exits, messages
from streams.entry import step_of
from streams.gates import GATES, RECALLING
from streams.gates.answer import Answer, Over, Skip
from streams.passage import Passage
from streams.program import Program
from streams.recorder import Recorder
from streams.verdict import Note, Trigger
from streams.watermarks import Gates, Watermarks

NO_GATES = Gates(Watermarks(), "")
SAID_AT = {"consent": "withdrawn_at", "suppression": "since"}  # gates, and what of their answers says when

#: Flows of which an event of a type may take a message back beside those that anything may: none.
NO_FLOW = frozenset[str]()
#: Messages that an event has come too late for, and whether nothing had shut them by then.
Late = list[tuple[Message, bool]]


def late_for(
    program: Program, profile: Profile, trigger: Trigger, concerned: frozenset[str] | None, *, now: int
) -> Late:
    """Before an event is applied: what it may be a reason to regret. Most events come in their own time: nothing."""
    found: Late = []
    for message in _of_concern(program, messages.of(profile), concerned):
        if concerned is not None and messages.is_undelivered(message, now):
            continue  # it will be after this event, too, and then may be recalled
        late = trigger.occurred_at <= message.decided_at
        if late and not message.judged and message.status != "returned" and now - message.decided_at <= REGRET_MS:
            passage = _passage(program, profile, message, None, now=message.decided_at)
            found.append((message, passage is not None and _refusal_then(passage, message) is None))
    return found


def judge_again(
    program: Program,
    profile: Profile,
    trigger: Trigger,
    seen: Seen | None,
    late: Late,
    concerned: frozenset[str] | None,
    *,
    now: int,
    out: Recorder,
) -> None:
    """After an event has been applied. `seen` is the same as exit rules see it, None if none looks at it."""
    take_back(program, profile, messages.of(profile), concerned, now=now, out=out, trigger=trigger, seen=seen)
    for message, went in late:
        over = message.judged or message.again_at or message.status == "returned"
        if not over and not messages.is_undelivered(message, now):
            _regret(program, profile, message, trigger, seen, went=went, now=now, out=out)


def take_back(
    program: Program,
    profile: Profile,
    those: Sequence[Message],
    concerned: frozenset[str] | None,
    *,
    now: int,
    out: Recorder,
    trigger: Trigger | None = None,
    seen: Seen | None = None,
) -> None:
    """Of these, recall what is not delivered, and give up what waits to be ordered anew, where a gate has shut.

    `concerned`: flows whose messages what has happened may take back, though it would not those of others; None: all.
    """
    for message in _of_concern(program, those, concerned):
        again = bool(message.again_at)
        if not again and (message.judged or not messages.is_undelivered(message, now)):
            continue
        if (passage := _passage(program, profile, message, seen, now=now)) is None:
            continue
        found = _refusal(passage, message)
        _tell(passage, out)
        if found is None:
            continue
        message.judged, message.context = True, NO_WORDS
        if again:
            message.again_at, message.waiting = 0, ""
        else:
            message.recalled = True
        note = Note(
            outcome="skipped" if again else "recalled", reason=found[1].reason, step=message.step,
            values=_values(message, trigger, *found, passage, seen), message=None if again else message,
        )  # fmt: skip
        out.note(passage.flow, profile, passage.enrollment, note, now=now)


def _regret(
    program: Program,
    profile: Profile,
    message: Message,
    trigger: Trigger,
    seen: Seen | None,
    *,
    went: bool,
    now: int,
    out: Recorder,
) -> None:
    """If this event would have held it back: an exit rule counts it, or nothing had shut it until now."""
    passage = _passage(program, profile, message, seen, now=message.decided_at)
    if passage is None:
        return
    found = _refusal_then(passage, message)
    _tell(passage, out)
    counted = exits.first_of(passage.flow, passage.enrollment.exits_held)
    if counted is not None:
        found = "exits", Over(counted.reason)
    if found is None or not (counted or went):
        return
    gate, answer = found
    message.judged = True
    values = _values(message, trigger, gate, answer, passage, seen)
    note = Note(outcome="regretted", reason=answer.reason, step=message.step, values=values, message=message)
    out.tallies[("regretted", message.flow, trigger.event.source, gate)] += 1
    out.note(passage.flow, profile, passage.enrollment, note, now=now)


def _of_concern(program: Program, those: Iterable[Message], concerned: frozenset[str] | None) -> Iterable[Message]:
    """Judging takes long, and most events shut no gate. A message to be ordered anew may be of any storefront."""
    if concerned is None:
        return those
    anew = program.judged_anew
    return [one for one in those if one.again_at or one.flow in anew or one.flow in concerned]


def _passage(program: Program, profile: Profile, message: Message, seen: Seen | None, *, now: int) -> Passage | None:
    run = messages.run_of(message)
    flow = program.flow_of(run)
    if flow is None:
        return None
    run.due_at = now  # it does not get later by waiting to be delivered
    run.exits_held = 0 if seen is None else exits.held_by(flow, run, seen)
    return Passage(
        flow=flow, enrollment=run, profile=profile, gates=NO_GATES, now=now, policy=program.policy, notes=[],
        ordered_for=None if message.again_at else message.storefront,
    )  # fmt: skip


def _refusal(passage: Passage, message: Message) -> tuple[str, Answer] | None:
    """The first of the gates that take a message back that is shut now, and what it says."""
    return next(_refusals(passage, message), None)


def _refusal_then(passage: Passage, message: Message) -> tuple[str, Answer] | None:
    """The same as of its decision: who unsubscribes after a message has not said that it should not have come."""
    return next((one for one in _refusals(passage, message) if not _is_said_later(*one, message)), None)


def _refusals(passage: Passage, message: Message) -> Iterator[tuple[str, Answer]]:
    step = step_of(passage.flow, passage.enrollment)
    if not isinstance(step, Send):
        return
    for name in RECALLING:
        if name == "consent" and step.message_class == "transactional":
            continue
        if name == "person" and message.unfiltered:
            continue
        if (answer := GATES[name](step, passage)) is not None:
            yield name, answer


def _is_said_later(gate: str, answer: Answer, message: Message) -> bool:
    said_at = answer.values.get(SAID_AT[gate]) if gate in SAID_AT and isinstance(answer, Skip) else None
    return said_at is not None and from_wire(said_at) > message.decided_at


def _tell(passage: Passage, out: Recorder) -> None:
    for told in passage.notes:
        out.note(passage.flow, passage.profile, passage.enrollment, told, now=passage.now)


def _values(
    message: Message, trigger: Trigger | None, gate: str, answer: Answer, passage: Passage, seen: Seen | None
) -> dict[str, object]:
    """When the message was decided, what is judged now, and what the gate has compared."""
    told = answer.values
    made = exits.first_of(passage.flow, passage.enrollment.exits_held) if gate == "exits" else None
    if made is not None:
        told = exits.ended_by(made, seen, passage.view).values
    happened = {} if trigger is None else {"occurred_at": to_wire(trigger.occurred_at)}
    return {"decided_at": to_wire(message.decided_at), **happened, **told}
