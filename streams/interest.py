"""Interest: what all flows together want of one type of event, by index: many flows cost little more than one.

For example, two hundred flows begin with a view, each `where: { campaign: { eq: ... } }` of its own:

    a view of the campaign `spring`  -> its campaign is looked up once; one flow is judged, not two hundred
    a view without a campaign        -> nobody is judged, and its other words stay undecoded
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.conditions import All, Compare, Condition, EventMatch
from schemas.flow import Flow
from streams.exits import comes_from
from streams.predicates import judge_words, words_used
from streams.words import Parts, by_part

Index = tuple[tuple[str, Mapping[str, tuple[Flow, ...]]], ...]  # word, and its text to the flows that want it


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """In one type of event."""

    ends: frozenset[str]  # names of the flows that have an exit rule on it
    exit_words: frozenset[str]  # the words that exit rules ask for
    asked: Parts  # where to find those, and those that entries ask for
    whole: Parts  # where to find all
    one_by_one: tuple[Flow, ...]  # flows that begin with it and want no certain text of it
    by_text: Index  # the others
    indexed: int  # how many those are

    def begins(self, source: str, words: Mapping[str, Any]) -> tuple[list[Flow], int]:
        """The flows that an event from this source with these words may begin, by name; and how many it may not,
        because of their `where`.
        """
        found: list[Flow] = []
        considered = self.indexed
        for flow in self.one_by_one:
            if comes_from(source, flow.trigger.sources):
                considered += 1
                found.append(flow)
        for word, wanted in self.by_text:
            found += wanted.get(words.get(word, ""), ())
        open_ = [flow for flow in found if flow.trigger.where is None or judge_words(flow.trigger.where, words) is True]
        if self.by_text and len(open_) > 1:
            open_.sort(key=lambda flow: flow.name)
        return open_, considered - len(open_)


def interests(flows: Iterable[Flow], *, ending: Iterable[Flow] | None = None) -> dict[str, Interest]:
    """By short name, for every event that one of these flows begins with, in the order of their names; or that may end
    a run of one of `ending`, of which there may be several versions; by default the same.
    """
    flows = tuple(flows)
    ending = flows if ending is None else tuple(ending)
    types = {flow.trigger.event for flow in flows} | {when.event for flow in ending for when, _ in _ends(flow)}
    return {type_: _interest(type_, flows, ending) for type_ in sorted(types)}


def _interest(type_: str, flows: tuple[Flow, ...], ending: tuple[Flow, ...]) -> Interest:
    rules = [(flow, when, match) for flow in ending for when, match in _ends(flow) if when.event == type_]
    exit_words = frozenset[str]().union(
        *(words_used(when.where) | {ours for ours, _ in match} for _, when, match in rules)
    )
    beginning = [flow for flow in flows if flow.trigger.event == type_]
    asked = exit_words.union(*(words_used(flow.trigger.where) for flow in beginning))
    one_by_one = tuple(flow for flow in beginning if not _certain(flow))
    return Interest(
        ends=frozenset(flow.name for flow, _, _ in rules),
        exit_words=exit_words,
        asked=by_part(type_, asked),
        whole=by_part(type_),
        one_by_one=one_by_one,
        by_text=_index(beginning),
        indexed=len(beginning) - len(one_by_one),
    )


def _ends(flow: Flow) -> list[tuple[EventMatch, tuple[tuple[str, str], ...]]]:
    """The events that end it, and what of them must match the trigger."""
    return [(rule.when, rule.match) for rule in flow.exits if rule.when is not None]


def _index(flows: Iterable[Flow]) -> Index:
    index: dict[str, dict[str, tuple[Flow, ...]]] = {}
    for flow in flows:
        for word, texts in _certain(flow):
            wanted = index.setdefault(word, {})
            for text in texts:
                wanted[text] = (*wanted.get(text, ()), flow)
    return tuple(index.items())


def _certain(flow: Flow) -> list[tuple[str, frozenset[str]]]:
    """The word of which this flow wants certain texts, and those; nothing if there is none."""
    if flow.trigger.sources:
        return []
    return list(_wanted(flow.trigger.where))[:1]


def _wanted(where: Condition | None) -> Iterator[tuple[str, frozenset[str]]]:
    if isinstance(where, All):
        for part in where.parts:
            yield from _wanted(part)
    elif isinstance(where, Compare) and where.kind == "text":
        if where.operator == "eq":
            yield where.word, frozenset({where.operand})
        elif where.operator == "in":
            yield where.word, frozenset(where.operand)
