"""Interest: what all flows together want of one type of event, by index: many flows cost little more than one.

For example, two hundred flows begin with a view, each `where: { campaign: { eq: ... } }` of its own:

    a view of the campaign `spring`  -> its campaign is looked up once; one flow is judged, not two hundred
    a view without a campaign        -> nobody is judged, and its other words stay undecoded
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.catalog import words_of
from schemas.conditions import All, Compare, Condition, EventCount, EventMatch, LastEvent
from schemas.facts import STATING
from schemas.flow import Flow
from streams import asks
from streams.conditions import words_used
from streams.conditions.closures import Closure, closure
from streams.counters import Counter, counter_of
from streams.matching import comes_from
from streams.words import Parts, by_part


class Beginning(NamedTuple):
    """A flow that begins with an event from one of these sources of which this is true."""

    flow: Flow
    sources: tuple[str, ...]  # empty: from any
    where: Closure | None  # None: of any


Index = tuple[tuple[str, Mapping[str, tuple[Beginning, ...]]], ...]  # word, and its text to the flows that want it


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """In one type of event."""

    ends: frozenset[str]  # names of the flows of which it can make an exit rule true, or that may wait for it
    counters: tuple[Counter, ...]  # it is counted by
    kept: frozenset[str] | None  # it is remembered with these words; None: it is not
    seen_words: frozenset[str]  # the words that all of these ask for
    states: bool  # facts stand in it, or are read off it
    asked: Parts  # where to find those, and those that entries ask for
    others: Parts  # where to find all the others
    one_by_one: tuple[Beginning, ...]  # flows that begin with it and want no certain text of it
    by_text: Index  # the others
    indexed: int  # how many those are

    def begins(self, source: str, words: Mapping[str, Any]) -> tuple[list[Flow], int]:
        """The flows that an event from this source with these words may begin, by name; and how many it may not,
        because of their `where`.
        """
        open_: list[Flow] = []
        passed = 0
        for flow, sources, where in self.one_by_one:
            if not sources or comes_from(source, sources):
                if where is None or where(words) is True:
                    open_.append(flow)
                else:
                    passed += 1
        if self.by_text:
            passed += self.indexed
            for word, wanted in self.by_text:
                text = words.get(word)
                if isinstance(text, str):  # of a type of one's own, another flow may mean something else by the word
                    by_this = [flow for flow, _, where in wanted.get(text, ()) if where is None or where(words) is True]
                    open_ += by_this
                    passed -= len(by_this)
            open_.sort(key=lambda flow: flow.name)
        return open_, passed


class _Asked(NamedTuple):
    """What all flows ask of all events, in the order of their names."""

    ends: list[tuple[str, str]]  # type, and a flow of which it can make an exit rule true
    past: list[tuple[EventMatch, tuple[tuple[str, str], ...]]]
    counts: list[EventCount | LastEvent]
    declared: list[EventMatch]


def interests(
    flows: Iterable[Flow], *, running: Iterable[Flow] | None = None, read_off: bool = False
) -> dict[str, Interest]:
    """By short name, for every event that one of these flows looks at; they come in the order of their names.

    `running` are those that somebody may be in, of some names several versions; by default the same.

    `read_off`: facts are read off every event; then what no flow looks at is of the interest called "".
    """
    flows = tuple(flows)
    running = flows if running is None else tuple(running)
    asked = _Asked(
        ends=[(type_, flow.name) for flow in running for type_ in asks.moved_by(flow)],
        past=[past for flow in running for past in asks.past_of(flow)],
        counts=[count for flow in running for count in asks.counts_of(flow)],
        declared=[of for flow in running for of in asks.declared_of(flow)],
    )
    types = {*STATING, *(flow.trigger.event for flow in flows), *(type_ for type_, _ in asked.ends)}
    types |= {count.of.event for count in asked.counts} | ({""} if read_off else set())
    return {type_: _interest(type_, flows, asked, read_off=read_off) for type_ in sorted(types)}


def _interest(type_: str, flows: tuple[Flow, ...], all_asked: _Asked, *, read_off: bool) -> Interest:
    past = [(of, match) for of, match in all_asked.past if of.event == type_]
    kept = frozenset[str]().union(*(words_used(of.where) | {ours for ours, _ in match} for of, match in past))
    counts = [counter_of(count) for count in all_asked.counts if count.of.event == type_]
    counters = {counter.name: counter for counter in counts if counter is not None}
    seen_words = kept.union(*(one.words | words_used(one.of.where) for one in counters.values()))
    beginning = [_beginning(flow) for flow in flows if flow.trigger.event == type_]
    asked = seen_words.union(*(words_used(one.flow.trigger.where) for one in beginning))
    one_by_one = tuple(one for one in beginning if not _certain(one.flow))
    declared = sorted({word for of in all_asked.declared if of.event == type_ for word in of.words})
    return Interest(
        ends=frozenset(name for one, name in all_asked.ends if one == type_),
        counters=tuple(counters.values()),
        kept=kept if past else None,
        seen_words=seen_words,
        states=read_off or type_ in STATING,
        asked=by_part(type_, asked, declared=declared),
        others=by_part(type_, (words_of(type_).keys() | {name for name, _ in declared}) - asked, declared=declared),
        one_by_one=one_by_one,
        by_text=_index(beginning),
        indexed=len(beginning) - len(one_by_one),
    )


def _beginning(flow: Flow) -> Beginning:
    where = flow.trigger.where
    return Beginning(flow, flow.trigger.sources, None if where is None else closure(where))


def _index(beginning: Iterable[Beginning]) -> Index:
    index: dict[str, dict[str, tuple[Beginning, ...]]] = {}
    for one in beginning:
        for word, texts in _certain(one.flow):
            wanted = index.setdefault(word, {})
            for text in texts:
                wanted[text] = (*wanted.get(text, ()), one)
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
