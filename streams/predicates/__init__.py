"""Predicates: what can be asked about a person, one module per kind, and one line each in this table.

`streams.conditions` joins them with comparisons of words. A condition must be true to count: unknown is not true.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from schemas.conditions import Compare, Condition, Consented, EventCount, FactIs, InFlow, LastEvent, NowBetween
from streams import conditions
from streams.binding import Bound
from streams.conditions import judge_words as judge_words
from streams.conditions import leaves
from streams.predicates import consent, event_count, fact, in_flow, last_event, now_between, plugin
from streams.view import View


class Predicate(NamedTuple):
    """One kind of question."""

    judge: Callable[[Any, View], bool | None]  # the answer
    look: Callable[[Any, View], Any]  # what was found
    name: Callable[[Any], str]  # of what was asked


KINDS: dict[type, Predicate] = {
    EventCount: Predicate(event_count.judge, event_count.look, event_count.name),
    LastEvent: Predicate(last_event.judge, last_event.look, last_event.name),
    FactIs: Predicate(fact.judge, fact.look, fact.name),
    InFlow: Predicate(in_flow.judge, in_flow.look, in_flow.name),
    Consented: Predicate(consent.judge, consent.look, consent.name),
    NowBetween: Predicate(now_between.judge, now_between.look, now_between.name),
    Bound: Predicate(plugin.judge, plugin.look, plugin.name),
}
JUDGES: conditions.Judges = {kind: predicate.judge for kind, predicate in KINDS.items()}

TOLD_LENGTH_MAX = 200  # characters of a text
TOLD_LIST_MAX = 1_000  # characters that a list takes
VALUES_MAX = 20  # of a condition that are told; the rest of them are not


def judge(condition: Condition, view: View) -> bool | None:
    """True, false or unknown. Bounded by the size of the condition."""
    return conditions.judge(condition, view, JUDGES)


def words_asked(condition: Condition | None) -> frozenset[str]:
    """The words of the trigger that a condition asks for, be it by a plug-in."""
    asked = (leaf.plugin.inputs_of("trigger.") for leaf in leaves(condition) if isinstance(leaf, Bound))
    return conditions.words_used(condition).union(*asked)


def compared(condition: Condition, view: View) -> dict[str, Any]:
    """What a condition has looked at, and found: for decisions, so that they can be understood."""
    found: dict[str, Any] = {}
    for leaf in leaves(condition):
        if len(found) == VALUES_MAX:
            break
        if isinstance(leaf, Compare):
            found[leaf.word] = told(view.words.get(leaf.word))
        elif type(leaf) in KINDS:
            predicate = KINDS[type(leaf)]
            found[predicate.name(leaf)] = told(predicate.look(leaf, view))
    return found


def told(found: Any) -> Any:
    """A decision is read by people, and has to fit into a record: of what is long, its beginning or its length."""
    if isinstance(found, str):
        return found if len(found) <= TOLD_LENGTH_MAX else f"{found[:TOLD_LENGTH_MAX]}…"
    if isinstance(found, list | dict) and len(repr(found)) > TOLD_LIST_MAX:
        return {"length": len(found)}
    return found
