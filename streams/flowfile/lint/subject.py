"""What the linter looks at: a compiled flow, where its parts stand in the file, and what is known around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.conditions import All, AnyOf, Condition, EventCount, EventMatch, Items, LastEvent, Not
from schemas.flow import Flow
from schemas.span import Span
from schemas.steps import If, Route, Split, Step, Stop, Wait, WaitEvent
from streams.flowfile.nodes import Node
from streams.flowfile.reader import EventAsked, Joined, PluginAsked
from streams.flowfile.surroundings import Surroundings

_DAY_MS = 86_400_000
_MONTH_MS = 28 * _DAY_MS  # the shortest


class Subject(NamedTuple):
    """A flow without errors. `nodes` are those of its steps; the implicit stop at the end has none."""

    flow: Flow
    root: Node
    nodes: Sequence[Node]
    joined: Sequence[Joined]
    around: Surroundings
    plugins: Sequence[PluginAsked] = ()
    events: Sequence[EventAsked] = ()


def ways(step: Step) -> list[tuple[int, int]]:
    """Where a step leads, and how long that takes at least, in milliseconds."""
    match step:
        case Stop():
            return []
        case If():
            return [(step.then, 0), (step.otherwise, 0)]
        case Route():
            return [(way, 0) for way in (*step.cases.values(), step.otherwise)]
        case Split():
            return [(arm.next, 0) for arm in step.arms]
        case WaitEvent():
            return [*((branch.next, 0) for branch in step.branches), (step.on_timeout, least_ms(step.timeout))]
        case Wait():
            return [(step.next, least_ms(step.span))]
    return [(step.next, 0)]


def least_ms(span: Span) -> int:
    """How long a span is at least."""
    return span.months * _MONTH_MS + span.days * _DAY_MS + span.ms


def events_of(condition: Condition | None) -> Iterator[EventMatch]:
    """The events whose history a condition asks for."""
    if isinstance(condition, EventCount | LastEvent):
        yield condition.of
    elif isinstance(condition, Not | Items):
        yield from events_of(condition.part)
    elif isinstance(condition, All | AnyOf):
        for part in condition.parts:
            yield from events_of(part)


def exclusions(flow: Flow) -> list[EventMatch]:
    """The events that may keep a message from somebody."""
    found = [rule.when for rule in flow.exits if rule.when is not None]
    asked = [flow.filter, *(rule.person for rule in flow.exits)]
    asked += [step.condition for step in flow.steps if isinstance(step, If)]
    found += [event for condition in asked for event in events_of(condition)]
    found += [branch.when for step in flow.steps if isinstance(step, WaitEvent) for branch in step.branches]
    return found
