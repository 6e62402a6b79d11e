"""`no_effect`: something stands there that never makes a difference.

A rule behind one that takes all its events, hours and a cap of a message that passes both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

from schemas.codec import encode
from schemas.conditions import EventMatch
from schemas.connectors import covering
from schemas.steps import Send, WaitEvent
from streams.flowfile.findings import Findings
from streams.flowfile.lint.subject import Subject
from streams.flowfile.nodes import Listing, Node, at, child

_PASSED = ("window", "cap")

Rule = tuple[EventMatch | None, tuple[tuple[str, str], ...]]  # and what of the event must match the trigger


def no_effect(subject: Subject, findings: Findings) -> None:
    """Exit rules, branches of a `wait_event`, and messages."""
    exits = [(rule.when, rule.match) for rule in subject.flow.exits]
    for index in _taken(exits):
        message = "a rule above takes every event that this one takes, so its reason is never given"
        findings.note("no_effect", _part(child(subject.root, "exit"), index), message)
    for step, node in zip(subject.flow.steps, subject.nodes, strict=False):
        if isinstance(step, WaitEvent):
            for index in _taken([(branch.when, branch.match) for branch in step.branches]):
                message = "a branch above takes every event that this one takes, so nobody goes its way"
                findings.note("no_effect", _part(at(node, "wait_event", "branches"), index), message)
        elif isinstance(step, Send) and step.message_class == "transactional":
            for key in _PASSED:
                if (place := child(child(node, "send"), key)) is not None:
                    findings.note(
                        "no_effect",
                        place,
                        f"a message of class `transactional` passes `{key}`",
                        advice=f"Leave `{key}` out, or say `class: marketing`.",
                    )


class _Earlier:
    """The rules above that ask the same: a bit for each under every source that it names."""

    def __init__(self) -> None:
        self.anywhere = False
        self._naming: dict[str, int] = {}

    def add(self, rule: int, sources: Sequence[str]) -> None:
        """A rule that names no source takes them all."""
        self.anywhere |= not sources
        for source in sources:
            self._naming[source] = self._naming.get(source, 0) | 1 << rule

    def take(self, sources: Sequence[str]) -> bool:
        """Whether one of them takes whatever comes from all of these."""
        taking = -1 if sources else 0
        for source in sources:
            taking &= reduce(or_, (self._naming.get(name, 0) for name in covering(source)))
        return self.anywhere or taking != 0


def _taken(rules: Sequence[Rule]) -> Iterator[int]:
    """Those that come too late."""
    earlier: dict[tuple[str, object, bytes | None], _Earlier] = {}
    for index, (when, match) in enumerate(rules):
        if when is None:
            continue
        where = None if when.where is None else encode(when.where)
        wider = {(when.event, a, b) for a in ((), match) for b in (None, where)}
        if any(asked in earlier and earlier[asked].take(when.sources) for asked in wider):
            yield index
        earlier.setdefault((when.event, match, where), _Earlier()).add(index, when.sources)


def _part(node: Node | None, index: int) -> Node:
    assert isinstance(node, Listing), "what compiled is a list"
    return node.items[index]
