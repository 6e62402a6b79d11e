"""`no_effect`: something stands there that never makes a difference.

A rule behind one that takes all its events, hours and a cap of a message that passes both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.conditions import EventMatch
from schemas.connectors import covers
from schemas.steps import Send, WaitEvent
from streams.flowfile.lint.subject import Note, Subject
from streams.flowfile.nodes import Listing, Node, at, child

_PASSED = ("window", "cap")

Rule = tuple[EventMatch | None, tuple[tuple[str, str], ...]]  # and what of the event must match the trigger


def no_effect(subject: Subject, note: Note) -> None:
    """Exit rules, branches of a `wait_event`, and messages."""
    exits = [(rule.when, rule.match) for rule in subject.flow.exits]
    for index in _taken(exits):
        message = "a rule above takes every event that this one takes, so its reason is never given; put it first"
        note("no_effect", _part(child(subject.root, "exit"), index), message)
    for step, node in zip(subject.flow.steps, subject.nodes, strict=False):
        if isinstance(step, WaitEvent):
            for index in _taken([(branch.when, branch.match) for branch in step.branches]):
                message = "a branch above takes every event that this one takes, so nobody goes its way; put it first"
                note("no_effect", _part(at(node, "wait_event", "branches"), index), message)
        elif isinstance(step, Send) and step.message_class == "transactional":
            for key in _PASSED:
                if (place := child(child(node, "send"), key)) is not None:
                    note(
                        "no_effect",
                        place,
                        f"a message of class `transactional` passes `{key}`; say `marketing`, or leave it out",
                    )


def _taken(rules: Sequence[Rule]) -> Iterator[int]:
    """Those that come too late."""
    for index, later in enumerate(rules):
        if any(_takes_all(earlier, later) for earlier in rules[:index]):
            yield index


def _takes_all(earlier: Rule, later: Rule) -> bool:
    (one, match), (other, other_match) = earlier, later
    if one is None or other is None or one.event != other.event:
        return False
    wider = not one.sources or (
        bool(other.sources) and all(any(covers(a, b) for a in one.sources) for b in other.sources)
    )
    return wider and match in ((), other_match) and one.where in (None, other.where)


def _part(node: Node | None, index: int) -> Node:
    assert isinstance(node, Listing), "what compiled is a list"
    return node.items[index]
