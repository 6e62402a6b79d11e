"""What a flow asks about a person: which counters, past events and facts, and what can make its exit rules true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from schemas.conditions import (
    Condition,
    Consented,
    EventCount,
    EventMatch,
    FactIs,
    InFlow,
    LastEvent,
    NowBetween,
)
from schemas.conditions import Plugin as Wanted
from schemas.facts import FROM_CONTEXT, OBSERVED
from schemas.flow import Appointment, DateTrigger, ExitRule, Flow
from schemas.policy import Policy
from schemas.span import Span
from schemas.steps import Send, Value, WaitEvent, WaitUntil, WaitUntilDate
from schemas.window import Window
from streams.binding import Bound, name_of
from streams.conditions import leaves
from streams.counters import looks_back
from streams.plugins import Name, Plugin

#: Whatever makes a flow ask where the person is, and the facts that tell.
PLACED = (NowBetween, Window, WaitUntil, WaitUntilDate, Appointment)
PLACE = frozenset({"timezone", "country", "locale"})
CONSENTING = frozenset({"consent_changed", "list_unsubscribed"})
READ_OFF = frozenset({"first_seen_at", *FROM_CONTEXT})


def parts_of(thing: Any) -> list[msgspec.Struct]:
    """Every struct that a flow is made of, itself first, and each before its own parts."""
    found: list[msgspec.Struct] = []
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if isinstance(one, msgspec.Struct):
            found.append(one)
            waiting += [getattr(one, name) for name in reversed(one.__struct_fields__)]
        elif isinstance(one, list | tuple):
            waiting += reversed(one)
        elif isinstance(one, dict):
            waiting += reversed(one.values())
    return found


def read_off(flow: Flow) -> frozenset[str]:
    """The facts that this flow wants to be read off every event."""
    found: set[str] = set()
    for part in parts_of(flow):
        if isinstance(part, FactIs):
            found.add(part.compare.word)
        elif isinstance(part, DateTrigger):
            found |= {part.fact, *PLACE}
        elif isinstance(part, Value) and part.origin == "fact":
            found.add(part.of)
        elif isinstance(part, Value) and isinstance(part.of, Plugin):
            found |= part.of.inputs_of("fact.")
        elif isinstance(part, Bound):
            found |= part.plugin.inputs_of("fact.")
        elif isinstance(part, Send):
            found.update(name for name, _ in part.fresh)
        elif isinstance(part, PLACED) or (isinstance(part, Span) and (part.months or part.days)):
            found |= PLACE
    return READ_OFF & found


def read_off_by(policy: Policy) -> frozenset[str]:
    """The same of a policy: quiet hours are those of where the person is."""
    return READ_OFF & PLACE if policy.quiet_hours else frozenset()


def plugins_of(flow: Flow) -> frozenset[Name]:
    """The plug-ins that a flow names, as it was compiled."""
    parts = list(parts_of(flow))
    conditions = [(part.name, part.version) for part in parts if isinstance(part, Wanted)]
    values = [name_of(part) for part in parts if isinstance(part, Value) and part.origin == "plugin"]
    return frozenset(conditions + values)


def counts_of(flow: Flow) -> list[EventCount | LastEvent]:
    """The conditions of this flow on past events."""
    return [part for part in parts_of(flow) if isinstance(part, EventCount | LastEvent)]


def past_of(flow: Flow) -> list[tuple[EventMatch, tuple[tuple[str, str], ...]]]:
    """The past events that its rules and conditions look back at, and what of them must match the trigger."""
    rules = [(rule.when, rule.match) for rule in flow.exits if rule.when is not None]
    counts = [one for one in counts_of(flow) if isinstance(one, EventCount) and looks_back(one)]
    return rules + awaited_by(flow) + [(one.of, one.match) for one in counts]


def awaited_by(flow: Flow) -> list[tuple[EventMatch, tuple[tuple[str, str], ...]]]:
    """The events that its steps wait for, and what of them must match the trigger."""
    waits = [step for step in flow.steps if isinstance(step, WaitEvent)]
    return [(branch.when, branch.match) for step in waits for branch in step.branches]


def moved_by(flow: Flow) -> list[str]:
    """The types of events that can end an enrollment or move it on."""
    ends = [type_ for rule in flow.exits for type_ in changed_by(rule)]
    return ends + [when.event for when, _ in awaited_by(flow)]


def declared_of(flow: Flow) -> Iterator[EventMatch]:
    """Every event that it speaks of, with the words it declares."""
    return (part for part in parts_of(flow) if isinstance(part, EventMatch))


def changed_by(rule: ExitRule) -> frozenset[str]:
    """The types of events that can make an exit rule true, by what happened or by what is counted."""
    if rule.when is not None:
        return frozenset({rule.when.event})
    asked = [leaf.of.event for leaf in leaves(rule.person) if isinstance(leaf, EventCount | LastEvent)]
    consent = any(isinstance(leaf, Consented) for leaf in leaves(rule.person))
    return frozenset(asked) | (CONSENTING if consent else frozenset())


def about_person(flow: Flow) -> bool:
    """Whether its filter or an exit rule asks about the person."""
    return flow.filter is not None or any(rule.person is not None for rule in flow.exits)


def depends_on_facts(flow: Flow) -> bool:
    """Whether some fact can make an exit rule true."""
    return any(isinstance(leaf, FactIs | Bound) for leaf in _of_person(flow))


def depends_on_sight(flow: Flow) -> bool:
    """Whether what any event tells of a person, an identifier or that they were there, can make an exit rule true."""
    asked = {leaf.compare.word for leaf in _of_person(flow) if isinstance(leaf, FactIs)}
    asked |= {name for leaf in _of_person(flow) if isinstance(leaf, Bound) for name in leaf.plugin.inputs_of("fact.")}
    return bool(asked & OBSERVED.keys())


def depends_on_flows(flow: Flow) -> bool:
    """Whether the beginning or the end of a flow can make an exit rule true."""
    return any(isinstance(leaf, InFlow) for leaf in _of_person(flow))


def _of_person(flow: Flow) -> Iterator[Condition]:
    return (leaf for rule in flow.exits for leaf in leaves(rule.person))
