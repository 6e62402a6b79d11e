"""Compares two versions of flows on the same recorded events: who would be treated differently, and why.

What is compared is a case: one trigger of one person in one flow, and everything that was decided because of it. Both
versions read the same records, so a trigger has the same offset in both, whatever keys and names they use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from msgspec.structs import replace

from agents.replaying import Replayed, replay
from schemas.decision import Decision
from schemas.flow import Flow
from schemas.policy import NO_POLICY, Policy
from streams.plugins import NO_PLUGINS, Name, Plugin

Kind = Literal["sent_only_by_a", "sent_only_by_b", "sent_at_another_time", "sent_otherwise", "other_reason"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CONSEQUENCES = frozenset({"refused", "skipped", "ended", "recalled", "regretted"})


class Case(NamedTuple):
    """A trigger: whose, of which flow, and where its record stands in the file."""

    person: str  # tenant/profile id
    flow: str
    offset: int


class Message(NamedTuple):
    """A message that was ordered in a case."""

    step: str
    at: str
    how: tuple[str, str, str]  # template, channel, class


class Difference(NamedTuple):
    """A case in which the versions differ: in what, and everything that each of them decided."""

    case: Case
    kinds: tuple[Kind, ...]
    a: list[Decision]
    b: list[Decision]


@dataclass(kw_only=True)
class Comparison:
    """What came of it. `cases` counts those in which at least one version had anything to decide."""

    a: Replayed
    b: Replayed
    cases: int = 0
    people: set[str] = field(default_factory=set)
    """Those who would be treated differently."""
    counts: Counter[Kind] = field(default_factory=Counter)
    """By message, and by case for other reasons."""
    differences: list[Difference] = field(default_factory=list)
    """In the order of the file."""


def compare(
    a: Iterable[Flow],
    b: Iterable[Flow],
    events: Path,
    *,
    policies: tuple[Policy, Policy] = (NO_POLICY, NO_POLICY),
    plugins: Mapping[Name, Plugin] = NO_PLUGINS,
) -> Comparison:
    """Replay the events through both. Flows are told apart by name; one alone on each side is the same flow.

    Every flow is played as if it were live, each side under its own policy. Raises `InputRefused` if the file cannot
    be read.
    """
    ours, theirs = ([replace(flow, status="live") for flow in flows] for flows in (a, b))
    found = Comparison(
        a=replay(ours, events, policy=policies[0], plugins=plugins),
        b=replay(theirs, events, policy=policies[1], plugins=plugins),
    )
    names = {theirs[0].name: ours[0].name} if len(ours) == len(theirs) == 1 else {}
    sides = _cases(found.a, {}), _cases(found.b, names)
    messages = _messages(found.a), _messages(found.b)
    for case in sorted(sides[0].keys() | sides[1].keys(), key=lambda case: (case.offset, case)):
        found.cases += 1
        one, other = (side.get(case, []) for side in sides)
        kinds = _kinds(one, other, messages)
        if kinds:
            found.counts.update(kinds)
            found.people.add(case.person)
            found.differences.append(Difference(case, tuple(dict.fromkeys(kinds)), one, other))
    return found


def _cases(replayed: Replayed, names: dict[str, str]) -> dict[Case, list[Decision]]:
    cases: dict[Case, list[Decision]] = {}
    begun: dict[str, Case] = {}  # by enrollment
    for one in replayed.rehearsal.decisions:
        person, flow = f"{one.tenant}/{one.profile_id}", names.get(one.flow, one.flow)
        case = Case(person, flow, one.cause.offset)
        if one.enrollment_id is not None:
            case = begun.setdefault(one.enrollment_id, case)
        cases.setdefault(case, []).append(one)
    return cases


def _messages(replayed: Replayed) -> dict[str, tuple[str, str, str]]:
    return {
        command.command_id: (command.template, command.channel, command.message_class)
        for command in replayed.rehearsal.commands
    }


def _kinds(
    a: Sequence[Decision], b: Sequence[Decision], messages: tuple[dict[str, tuple[str, str, str]], ...]
) -> list[Kind]:
    """In what a case differs: once for each message, or else in the reasons."""
    ours, theirs = (
        [
            Message(one.step or "", one.decided_at, how[one.command_id])
            for one in side
            if one.outcome == "sent" and one.command_id in how
        ]
        for side, how in zip((a, b), messages, strict=True)
    )
    found: list[Kind] = []
    for alike in ("step", "how"):
        for message in list(ours):
            other = next((one for one in theirs if getattr(one, alike) == getattr(message, alike)), None)
            if other is not None:
                ours.remove(message)
                theirs.remove(other)
                if message.at != other.at:
                    found.append("sent_at_another_time")
                elif message.how != other.how:
                    found.append("sent_otherwise")
    found.extend("sent_only_by_a" for _ in ours)
    found.extend("sent_only_by_b" for _ in theirs)
    return found or (["other_reason"] if _reasons_differ(a, b) else [])


def _reasons_differ(a: Sequence[Decision], b: Sequence[Decision]) -> bool:
    """A refusal beside nothing is none: repeated refusals are not written down, and either way nobody entered."""
    if not (a and b):
        return any(one.enrollment_id is not None for one in (*a, *b))
    ours, theirs = ([(one.outcome, one.reason) for one in side if one.outcome in CONSEQUENCES] for side in (a, b))
    return ours != theirs
