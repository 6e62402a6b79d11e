"""The program: all flows of a process, indexed by what sets them going. Immutable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from schemas.flow import Flow
from streams.conditions import words_used
from streams.words import Parts, by_part


class DuplicateFlow(ValueError):
    """Two flows have one name; rename one of them."""


@dataclass(frozen=True)
class Program:
    """What the core runs. Keys of the indexes are short event names."""

    flows: dict[str, Flow]
    by_trigger: dict[str, tuple[Flow, ...]]
    by_exit: dict[str, frozenset[str]]  # flows with an exit rule on that event
    exit_words: dict[str, frozenset[str]]  # the words that exit rules ask of that event
    parts: dict[str, Parts]  # of the events that some flow looks at, the words that are asked for
    hash: str  # over names and versions; the partition record keeps it


def build(flows: Iterable[Flow]) -> Program:
    """Index the live flows. Raises DuplicateFlow."""
    by_name: dict[str, Flow] = {}
    for flow in flows:
        if flow.name in by_name:
            raise DuplicateFlow(f"two flows are called {flow.name!r}")
        by_name[flow.name] = flow
    live = {name: flow for name, flow in sorted(by_name.items()) if flow.status == "live"}
    triggers: dict[str, list[Flow]] = {}
    exits: dict[str, set[str]] = {}
    words: dict[str, set[str]] = {}
    for flow in live.values():
        triggers.setdefault(flow.trigger.event, []).append(flow)
        for rule in flow.exits:
            exits.setdefault(rule.when.event, set()).add(flow.name)
            asked = words_used(rule.when.where) | {ours for ours, _ in rule.match}
            words.setdefault(rule.when.event, set()).update(asked)
    return Program(
        flows=live,
        by_trigger={event: tuple(some) for event, some in triggers.items()},
        by_exit={event: frozenset(names) for event, names in exits.items()},
        exit_words={event: frozenset(names) for event, names in words.items()},
        parts={event: by_part(event, None if event in triggers else words[event]) for event in {**triggers, **words}},
        hash=blake2b("\n".join(f"{f.name} {f.version}" for f in live.values()).encode(), digest_size=16).hexdigest(),
    )
