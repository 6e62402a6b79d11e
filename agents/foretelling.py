"""Foretelling: what would come of letting people enter a flow by old events now, told by the real core.

Each is put before the flows that are active, with the state and the watermarks that the changelog has of them, by the
same order that `backfill run` writes; then time stands at *now* until nobody has anything to do. So a split, a gate, a
window, a cap and the filter count as they will. What comes to them later, nobody can tell: they are scheduled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from msgspec import Raw
from msgspec.structs import replace

from agents.backfilling import Candidate, Known
from schemas import codec
from schemas.activation import Backfill
from schemas.control import BACKFILL_KEY, TICK_KEY, WATERMARK_KEY
from schemas.decision import Decision
from schemas.flow import Flow, Reentry
from schemas.instants import from_wire, to_wire
from schemas.limits import RELEASED_PER_TICK_MAX
from schemas.policy import Policy
from schemas.profile import NEVER
from streams.partition import Outputs, Partition, Record
from streams.program import Program, build
from streams.retained import NO_NEWS

#: scheduled: they wait for a moment, an event or a gate; due_now: a message goes at once; not_sent: they enter, and
#: leave at once without one; left_out: overdue by too much; refused: they do not enter; entered_before: by this event
#: or a later one, or they are in the flow.
Outcome = Literal["scheduled", "due_now", "not_sent", "left_out", "refused", "entered_before"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
#: Those who are told to enter.
ENTERING: frozenset[Outcome] = frozenset({"scheduled", "due_now", "not_sent"})
Anchor = Literal["occurred_at", "now"]

#: For each 500 people. Who has something to do at so many ticks of one instant counts as they are then.
TICKS_MAX = 200
#: What is decided on the way to the first thing that matters to a person.
_ON_THE_WAY = frozenset({"entered", "exposed", "stated", "emitted"})


class Foretold(NamedTuple):
    """What would come of one of them. `reason` is why they are refused, not sent anything, or held."""

    candidate: Candidate
    outcome: Outcome
    reason: str = ""


def foretell(
    program: Program, name: str, some: Sequence[Candidate], known: Known, *, number: int, anchor: Anchor,
    max_overdue_ms: int | None, now: int,
) -> list[Foretold]:  # fmt: skip
    """In their order. They are all of the partition of this number, of which `known` tells."""
    flow = program.flows[name]
    late: frozenset[int] = frozenset()
    if max_overdue_ms is not None and anchor == "occurred_at":
        due = _due_in_their_time(flow, program.policy, some, known, now=now)
        late = frozenset(place for place, at in due.items() if now - at > max_overdue_ms)
    entering = [one for place, one in enumerate(some) if place not in late]
    told = iter(_let_enter(program, name, entering, known, number=number, anchor=anchor, now=now))
    return [Foretold(one, "left_out") if place in late else next(told) for place, one in enumerate(some)]


def count(found: Iterable[Foretold]) -> dict[Outcome, int]:
    """How many of each outcome."""
    counts = Counter(one.outcome for one in found)
    return {outcome: counts[outcome] for outcome in OUTCOMES}


def order(one: Candidate, flow: str, *, anchor: Anchor, by: str, at: str) -> bytes:
    """What tells the worker to let somebody enter."""
    said = Backfill(profile=one.profile.decode(), flow=flow, event=Raw(one.event), anchor=anchor, by=by, at=at)
    return codec.encode(said)


def _let_enter(
    program: Program, name: str, some: Sequence[Candidate], known: Known, *, number: int, anchor: Anchor, now: int
) -> list[Foretold]:
    record = known.record and replace(known.record, stopped=None, poison=[])
    partition = Partition(
        program=program, topic="backfill", number=number, clock="live", incarnation="", load=known.states.get,
        record=record,
    )  # fmt: skip
    for key, state in known.states.items():
        partition.restore(key, state)
    ahead = max((codec.peek(state)[0] for state in known.states.values()), default=0) + 1
    first = max(partition.position, ahead)  # nobody is ahead of what they are told now
    now = max(now, partition.now_at)
    story: dict[str, list[Decision]] = {}  # by enrollment
    entered: list[list[Decision]] = []
    failed: set[int] = set()
    for place, one in enumerate(some):
        said = order(one, name, anchor=anchor, by="plan", at=to_wire(now))
        outputs = partition.process([Record(first + place, now, BACKFILL_KEY, said)])
        entered.append([each for each in _decisions(outputs) if each.flow == name])
        failed |= {place} if outputs.dead_letters else set()
        story |= {each.enrollment_id: list(entered[-1]) for each in entered[-1] if each.enrollment_id}
    for turn in range(TICKS_MAX * (1 + len(some) // RELEASED_PER_TICK_MAX)):
        tick = partition.plan_tick(ceiling_at=now, watermarks=(), force=False)
        if tick is None:
            break
        outputs = partition.process([Record(first + len(some) + turn, now, TICK_KEY, codec.encode(tick))])
        for each in _decisions(outputs):
            story.get(each.enrollment_id or "", []).append(each)
    return [
        Foretold(one, "refused", "evaluate") if place in failed else _foretold(one, entered[place], story)
        for place, one in enumerate(some)
    ]


def _foretold(one: Candidate, entered: list[Decision], story: dict[str, list[Decision]]) -> Foretold:
    if not entered:
        return Foretold(one, "entered_before")
    run = next((each.enrollment_id for each in entered if each.outcome == "entered"), None)
    if run is None:
        return Foretold(one, "refused", entered[-1].reason)
    decided = story[run]
    if any(each.outcome == "sent" for each in decided):
        return Foretold(one, "due_now")
    if not any(each.outcome == "ended" for each in decided):
        return Foretold(one, "scheduled", decided[-1].reason if decided[-1].outcome == "held" else "")
    telling = [each for each in decided if each.outcome == "skipped"] or decided
    return Foretold(one, "not_sent", telling[-1].reason)


def _due_in_their_time(
    flow: Flow, policy: Policy, some: Sequence[Candidate], known: Known, *, now: int
) -> dict[int, int]:
    """When each, by place, would first have had something to do that is over by now, had they entered at the time.

    Of what is known now only who they are counts, with their facts: where they were is not what is asked.
    """
    freely = replace(policy, quiet_hours=(), caps=(), consent="unless_withdrawn")
    alone = replace(flow, status="live", filter=None, exits=(), reentry=Reentry())
    states = {key: _as_a_person(state, key) for key, state in known.states.items()}
    partition = Partition(
        program=build([alone], policy=freely), topic="backfill", number=0, clock="carried", incarnation="backfill",
        load=states.get, record=None,
    )  # fmt: skip
    places: dict[str, int] = {}
    due: dict[int, int] = {}

    def hear(outputs: Outputs, place: int) -> None:
        for each in _decisions(outputs):
            if each.outcome == "entered":
                places[each.enrollment_id or ""] = place
            elif each.outcome not in _ON_THE_WAY and each.reason != "superseded" and each.enrollment_id in places:
                due.setdefault(places[each.enrollment_id], from_wire(each.decided_at))

    for place, one in enumerate(some):
        hear(partition.process([Record(place, one.occurred_at, one.profile, one.event)]), place)
    hear(partition.process([Record(len(some), now + 1, WATERMARK_KEY, NO_NEWS)]), NEVER)
    return due


def _as_a_person(state: bytes, key: bytes) -> bytes:
    profile = codec.unpack_profile(state, key=key)
    dossier = profile.dossier and replace(profile.dossier, messages=[], appointments={})
    return codec.pack_profile(
        replace(
            profile, applied_offset=-1, enrollments=[], past={}, refusals={}, history=[], dedupe=b"", poison=[],
            dossier=dossier,
        )
    )  # fmt: skip


def _decisions(outputs: Outputs) -> list[Decision]:
    return [codec.decode(value, Decision) for _, value in outputs.decisions]
