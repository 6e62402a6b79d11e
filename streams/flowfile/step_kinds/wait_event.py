"""`wait_event`: which events to wait for, how long, and which way each of them opens."""

from __future__ import annotations

from schemas.conditions import EventMatch
from schemas.steps import Branch, Step, WaitEvent
from streams.flowfile.calendar import span
from streams.flowfile.conditions import condition
from streams.flowfile.events import matched, named_event
from streams.flowfile.nodes import Mapping, Node
from streams.flowfile.steps import Place, Steps, Target

_EVENT = ("source", "words", "where", "match")
_Read = tuple[EventMatch, tuple[tuple[str, str], ...], Node | None]


def read(steps: Steps, body: Node, place: Place) -> None:
    """`wait_event: { event: order_placed, timeout: 2d, then: thank, on_timeout: remind }`, or with `branches`."""
    reader = steps.reader
    many = isinstance(body, Mapping) and "branches" in body.entries
    required = ("branches", "timeout") if many else ("event", "timeout")
    optional = ("on_timeout",) if many else (*_EVENT, "then", "on_timeout")
    found = reader.fields(body, "`wait_event`", required=required, optional=optional)
    branches = (
        [_branch(steps, part) for part in reader.items(found.get("branches"), "`branches`")]
        if many
        else [_event(steps, found)]
    )
    timeout = span(reader, found.get("timeout"), "`timeout`")

    def build(*ways: int) -> Step:
        read = zip(branches, ways, strict=False)
        return WaitEvent(
            label=place.label,
            branches=tuple(Branch(when=when, match=match, next=way) for (when, match, _), way in read),
            timeout=timeout,
            on_timeout=ways[-1],
        )

    ways: list[Target] = []
    steps.add(place, ways, build)  # First its place, then what its ways bring along.
    ways.extend(steps.target(way, "`then`", after=place.after) for _, _, way in branches)
    ways.append(steps.target(found.get("on_timeout"), "`on_timeout`", after=place.after))


def _branch(steps: Steps, node: Node) -> _Read:
    return _event(steps, steps.reader.fields(node, "a branch", required=("event",), optional=(*_EVENT, "then")))


def _event(steps: Steps, found: dict[str, Node]) -> _Read:
    named = named_event(steps.reader, found, condition)
    return named.match, matched(steps.reader, found.get("match"), named, steps.scope), found.get("then")
