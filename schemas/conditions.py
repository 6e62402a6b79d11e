"""Conditions as flows carry them: typed expression trees over the words of an event and what is known of a person.

In three values: true, false, unknown. `streams.predicates` judges them; `streams.flowfile` makes them from YAML.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from schemas.catalog import Kind
from schemas.window import Window

Operator = Literal[
    "eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "contains", "not_contains", "starts_with", "is_set",
    "is_not_set", "is_true", "is_false",
]  # fmt: skip


class Compare(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="compare"):
    """One word against one operand of the same kind. A missing word is unknown, and unknown is not true."""

    word: str
    kind: Kind
    operator: Operator
    operand: Any = None  # money: [amount, currency]; instant: milliseconds; in: a list


class All(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="all"):
    """True when every part is; false when one is false; else unknown."""

    parts: tuple[Condition, ...]


class AnyOf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="any"):
    """True when one part is; false when all are; else unknown."""

    parts: tuple[Condition, ...]


class Not(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="not"):
    """The opposite; `not unknown` is unknown."""

    part: Condition


class Items(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="items"):
    """A condition on the words of each item. Unknown without items; of an empty list `any` is false, `all` unknown."""

    quantifier: Literal["any", "all"]
    part: Condition


class EventMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event by short name, optionally from certain sources and satisfying a condition on its own words."""

    event: str
    sources: tuple[str, ...] = ()  # empty: any; a name also covers what stands below it, split at / and .
    where: Condition | None = None
    words: tuple[tuple[str, Kind], ...] = ()  # of a custom event: the words that the flow declares of it


class EventCount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="event_count"):
    """How many such events, as numbers compare. Always known: none are 0."""

    of: EventMatch
    match: tuple[tuple[str, str], ...] = ()  # (word of that event, word of the trigger), all must be equal
    within_ms: int = 0  # occurred at most so long before now; 0: ever
    since_start: bool = False  # since this enrollment began, as exit rules count (semantics 3.4)
    tests: tuple[Compare, ...]  # of the word `count`


class LastEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="last_event"):
    """The newest such event (by occurred_at, then by offset): its words, and how long ago. Unknown if there is none."""

    of: EventMatch
    part: Condition | None = None  # on its words
    ago_ms: tuple[tuple[Operator, int], ...] = ()  # now - occurred_at


class FactIs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="fact"):
    """A fact of the person against an operand of its declared kind; `compare.word` is its name."""

    compare: Compare


class InFlow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="in_flow"):
    """Whether the person is in another flow, or has ever been."""

    flow: str
    ever: bool = False


class Consented(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="consent"):
    """Whether the person has agreed to a channel, for one storefront or in general. Unknown if never asked."""

    channel: str
    storefront: str | None = None


class NowBetween(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="now_between"):
    """Whether it is now, where the person is, within a window."""

    window: Window


class Plugin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="plugin"):
    """A registered pure predicate in Python, by name and version."""

    name: str
    version: int


Condition = (
    Compare | All | AnyOf | Not | Items | EventCount | LastEvent | FactIs | InFlow | Consented | NowBetween | Plugin
)
