"""Timelines: a flow on a scripted day, and what is expected of it. The tests that stand beside flow files.

`streams.flowfile.timeline_file` reads them; `run` plays one on the real core (`streams.rehearsal`) and compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from schemas.catalog import short_name
from schemas.command import Command
from schemas.control import Watermark
from schemas.decision import Decision
from schemas.event import Event
from schemas.flow import Flow
from schemas.identity import profile_id, strongest
from schemas.instants import from_wire, to_wire
from schemas.policy import NO_POLICY, Policy
from streams.plugins import NO_PLUGINS, Name, Plugin
from streams.rehearsal import Rehearsal
from streams.telling import asides, shown

DAY = "2026-01-01"  # what a time without a date is on
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
DAY_STARTS_AT = from_wire(f"{DAY}T00:00:00Z")

#: Expected decisions, by the word that comes with them: a reason, or for those of `OF_MESSAGE` the label of the step.
Happening = Literal["sent", "ended", "skipped", "refused", "held", "restarted", "recalled", "regretted"]
OF_MESSAGE = frozenset({"sent", "recalled", "regretted"})
#: Expected totals.
Total = Literal["entered", "sends", "ignored", "duplicates"]


class Happens(NamedTuple):
    """Something that happens at an instant. `what` is None when only time moves."""

    at: int
    what: Event | Watermark | None


class Expected(NamedTuple):
    """At least one decision like this."""

    line: int
    outcome: Happening
    word: str
    at: int | None
    profile: str | None  # its name in the timeline
    flow: str | None = None  # None: the flow itself


class ExpectedTotal(NamedTuple):
    """So many, no more and no fewer."""

    line: int
    of: Total
    number: int
    profile: str | None  # of `entered` and `sends` only
    flow: str | None = None  # None: the flow itself; of all but `duplicates`


class Timeline(NamedTuple):
    """One scripted day. Unless `ends_at` is set, time runs at the end until nobody waits any more.

    `beside` are other flows in play, which share its people: caps, `enter_flow` and `in_flow` concern them all.
    """

    name: str
    line: int
    happenings: tuple[Happens, ...]
    expectations: tuple[Expected | ExpectedTotal, ...]
    people: Mapping[str, str]  # profile id to name
    ends_at: int | None
    beside: tuple[Flow, ...] = ()


class Failure(NamedTuple):
    """One expectation that was not met."""

    line: int
    expected: str
    got: str


class Result(NamedTuple):
    """What came of a timeline: nothing failed, or what did and everything that was decided on the way."""

    timeline: Timeline
    failures: tuple[Failure, ...]
    story: tuple[str, ...]


def run(
    flow: Flow, timeline: Timeline, *, policy: Policy = NO_POLICY, plugins: Mapping[Name, Plugin] = NO_PLUGINS
) -> Result:
    """Play a timeline and compare."""
    judge = _Judge(flow, timeline, play(flow, timeline, policy=policy, plugins=plugins))
    failures = tuple(failure for expected in timeline.expectations if (failure := judge.failure(expected)))
    return Result(timeline, failures, judge.story())


def play(
    flow: Flow, timeline: Timeline, *, policy: Policy = NO_POLICY, plugins: Mapping[Name, Plugin] = NO_PLUGINS
) -> Rehearsal:
    """Play a timeline. A draft is played as if it were live, and so are those beside it."""
    live = [msgspec.structs.replace(one, status="live") for one in (flow, *timeline.beside)]
    rehearsal = Rehearsal(live, policy=policy, plugins=plugins)
    for happening in timeline.happenings:
        happen(rehearsal, happening)
    if timeline.ends_at is None:
        rehearsal.finish()
    else:
        rehearsal.advance(timeline.ends_at + 1)  # What is due at that very moment belongs to the day.
    return rehearsal


def happen(rehearsal: Rehearsal, happening: Happens) -> None:
    """Let one line of a timeline happen."""
    if isinstance(happening.what, Event):
        rehearsal.event(_addressed(happening.what, rehearsal, at=happening.at), at=happening.at)
    elif isinstance(happening.what, Watermark):
        rehearsal.watermark(happening.what, at=happening.at)
    else:
        rehearsal.advance(happening.at)


def _addressed(event: Event, rehearsal: Rehearsal, *, at: int) -> Event:
    """A receipt in a timeline names the command by the label of its step: the newest one of that person is meant."""
    if short_name(event.type) != "message_reported":
        return event
    rehearsal.advance(at)
    words = msgspec.json.decode(event.properties)
    who = strongest(event.identity)
    profile = "" if who is None else profile_id(tenant=event.tenant, kind=who[0], value=who[1])
    for command in reversed(rehearsal.commands):
        if command.profile_id == profile and command.step == words.get("command_id"):
            known = msgspec.Raw(msgspec.json.encode({**words, "command_id": command.command_id}))
            return msgspec.structs.replace(event, properties=known)
    return event


class _Judge:
    """Compares what was decided with what was expected."""

    def __init__(self, flow: Flow, timeline: Timeline, rehearsal: Rehearsal) -> None:
        self._flow = flow
        self._people = timeline.people
        self._beside = {one.name for one in timeline.beside}
        self._rehearsal = rehearsal

    def failure(self, expected: Expected | ExpectedTotal) -> Failure | None:
        return self._total(expected) if isinstance(expected, ExpectedTotal) else self._happened(expected)

    def _total(self, expected: ExpectedTotal) -> Failure | None:
        found = self._count(expected)
        if found == expected.number:
            return None
        return Failure(
            expected.line, f"{expected.of}: {expected.number}{_of_whom(expected)}", f"{expected.of}: {found}"
        )

    def _count(self, expected: ExpectedTotal) -> int:
        tallies = self._rehearsal.tallies
        if expected.of == "ignored":
            return tallies["ignored", expected.flow or self._flow.name]
        if expected.of == "duplicates":
            return tallies["event", "duplicate"] + tallies["event", "conflict"]
        records: Sequence[Command | Decision] = self._rehearsal.commands
        if expected.of == "entered":
            records = [one for one in self._rehearsal.decisions if one.outcome == "entered"]
        return sum(self._concerns(record, expected) for record in records)

    def _concerns(self, record: Command | Decision, expected: Expected | ExpectedTotal) -> bool:
        """Whether it is of that flow and person. Not to be of another one is enough to be of the flow itself."""
        other = record.flow if record.flow in self._beside else None
        asked = None if expected.flow == self._flow.name else expected.flow
        return other == asked and expected.profile in (None, self._people.get(record.profile_id))

    def _happened(self, expected: Expected) -> Failure | None:
        alike = [one for one in self._rehearsal.decisions if one.outcome == expected.outcome]
        if any(self._is(decision, expected) for decision in alike):
            return None
        wanted = f"{expected.outcome}: {expected.word}"
        wanted += f" at {clock_time(expected.at)}" if expected.at is not None else ""
        wanted += _of_whom(expected)
        got = "; ".join(self._shown(decision) for decision in alike) or f"nothing was {expected.outcome}"
        return Failure(expected.line, wanted, got)

    def _is(self, decision: Decision, expected: Expected) -> bool:
        return (
            expected.word == _word(decision)
            and expected.at in (None, from_wire(decision.decided_at))
            and self._concerns(decision, expected)
        )

    def _shown(self, decision: Decision) -> str:
        who = self._people.get(decision.profile_id, decision.profile_id)
        where = f" in {decision.flow}" if decision.flow in self._beside else ""
        return f"{decision.outcome}: {_word(decision)} at {clock_time(from_wire(decision.decided_at))} for {who}{where}"

    def story(self) -> tuple[str, ...]:
        """Every decision in order, and every event that could not be taken."""
        lines = [(one.decided_at, f"{self._shown(one)}{_values(one)}") for one in self._rehearsal.decisions]
        lines += [
            (letter.refused_at, f"not taken: {letter.reason}: {letter.detail}")
            for letter in self._rehearsal.dead_letters
        ]
        return tuple(line for _, line in sorted(lines, key=lambda line: line[0]))


def _of_whom(expected: Expected | ExpectedTotal) -> str:
    of = f" for {expected.profile}" if expected.profile else ""
    return f"{of} in {expected.flow}" if expected.flow else of


def _word(decision: Decision) -> str:
    return (decision.step or "") if decision.outcome in OF_MESSAGE else decision.reason


def _values(decision: Decision) -> str:
    step = f"step {decision.step}" if decision.step and decision.outcome != "sent" else ""
    told = ", ".join(filter(None, (step, shown(_in_clock_time(decision.values)))))
    return f"{f' ({told})' if told else ''}{asides(decision)}"


def _in_clock_time(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_clock_time(one) for name, one in value.items()}
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return value
    try:
        return clock_time(from_wire(value))
    except ValueError:
        return value  # a word that only looks like one, such as the 45th of a month


def clock_time(at: int) -> str:
    """`10:40`, `10:40:05` or, on another day, the full time."""
    day, _, time = to_wire(at).partition("T")
    return time.removesuffix("Z").removesuffix(".000").removesuffix(":00") if day == DAY else to_wire(at)
