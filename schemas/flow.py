"""Flows as the core runs them: typed, checked, immutable. Made by `streams.flowfile` from YAML."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import msgspec

from schemas.conditions import Condition, EventMatch
from schemas.span import Span
from schemas.steps import Send, Step, Value

Status = Literal["draft", "shadow", "live", "draining", "held", "stopped"]
Retrigger = Literal["ignore", "restart", "replace_context", "extend", "parallel", "end_and_restart"]
ZoneSource = Literal["profile", "phone", "storefront"]

#: Who is asked for the zone of a person, in this order, unless a flow says otherwise.
ZONE_ORDER: tuple[ZoneSource, ...] = ("profile", "phone", "storefront")


class Reentry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """May somebody who has been in this flow enter again?"""

    policy: Literal["always", "never", "min_gap", "max"] = "always"
    min_gap_ms: int = 0
    counted_from: Literal["start", "end"] = "start"
    max: int = 0  # with policy `max`: so many
    per_ms: int = 0  # in so long; 0: ever
    scope: Literal["profile", "key"] = "profile"
    count_only_if_sent: bool = False


class ExitRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event, or a condition on the person, that makes the reminder pointless; and the word that says why."""

    when: EventMatch | None = None
    match: tuple[tuple[str, str], ...] = ()  # (word of this event, word of the trigger), all must be equal
    person: Condition | None = None
    reason: str


class DateTrigger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="date"):
    """A moment that a fact of the person names: so long before or after it, once or every year."""

    fact: str
    span: Span = Span()
    side: Literal["before", "after"] = "after"
    at_ms: int | None = None  # of the day, where the person is; None: the time of the fact itself
    yearly: bool = False


class ScheduleTrigger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="schedule"):
    """A time of the day on weekdays, or on a day of the month, where the person is."""

    at_ms: int
    weekdays: tuple[int, ...] = ()
    day_of_month: int = 0  # 1 to 31, clamped to the last; 0: any


Appointment = DateTrigger | ScheduleTrigger


class Timezone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where to look for the zone of a person, in this order, and the one to take when nobody says."""

    sources: tuple[ZoneSource, ...] = ZONE_ORDER
    default: str = "UTC"
    storefronts: dict[str, str] = {}  # storefront -> zone: of the policy, put in when the flow is loaded


class Flow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """One flow. `steps` is a list; `next`, `then` and the like are indexes into it; the last step is always a Stop.

    `dict=True` is for what is computed once: it is no part of the flow, is not written, and `replace` leaves it behind.
    """

    name: str
    version: str = ""  # content hash of everything below but for the status; set by the compiler
    status: Status = "live"
    timezone: Timezone = Timezone()
    trigger: EventMatch
    appointment: Appointment | None = None  # then the trigger is the event that the engine makes of it
    filter: Condition | None = None
    key: str | tuple[str, ...] | None = None  # a word of the trigger, or several; None: one enrollment per profile
    retrigger: Retrigger = "ignore"
    reentry: Reentry = Reentry()
    max_trigger_age_ms: int
    exits: tuple[ExitRule, ...] = ()
    exit_check: Literal["continuous", "at_send"] = "continuous"
    skew_ms: int
    storefront: Value | None = None
    steps: tuple[Step, ...]
    unseen: frozenset[str] = frozenset()  # flows in shadow, if this one is not: put in when the flow is loaded

    @property
    def storefronts(self) -> tuple[Value, ...]:
        """Who its messages may be of: what the flow says, and what a message says for itself."""
        said = (self.storefront, *(step.storefront for step in self.steps if isinstance(step, Send)))
        return tuple(one for one in said if one is not None)

    @cached_property
    def places(self) -> dict[str, int]:
        """Which step has a label: the first one that does."""
        return {step.label: place for place, step in reversed(list(enumerate(self.steps)))}

    @cached_property
    def ended_by_person(self) -> bool:
        """Whether an exit rule asks about the person, and not only what has happened."""
        return any(rule.person is not None for rule in self.exits)

    @cached_property
    def addressed(self) -> bool:
        """True when some message of this flow needs an address; such a flow refuses anonymous profiles."""
        return any(isinstance(step, Send) and step.channel != "log" for step in self.steps)
