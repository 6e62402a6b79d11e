"""Flows as the core runs them: typed, checked, immutable. Made by `streams.flowfile` from YAML."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from schemas.catalog import Kind
from schemas.limits import MAX_LATENESS_MS_DEFAULT

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


Condition = Compare | All | AnyOf | Not


class EventMatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event by short name, optionally from certain sources and satisfying a condition on its own words."""

    event: str
    sources: tuple[str, ...] = ()  # empty: any; a name also covers what stands below it, split at / and .
    where: Condition | None = None


class Reentry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """May somebody who has been in this flow enter again?"""

    policy: Literal["always", "never", "min_gap"] = "always"
    min_gap_ms: int = 0
    counted_from: Literal["start", "end"] = "start"
    scope: Literal["profile", "key"] = "profile"


class ExitRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that makes the reminder pointless, and the word that says why."""

    when: EventMatch
    match: tuple[tuple[str, str], ...] = ()  # (word of this event, word of the trigger), all must be equal
    reason: str


class Wait(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait"):
    """Wait exactly this long: the first wait from the anchor, a later one from the completion of the step before."""

    label: str
    duration_ms: int
    next: int


class Gate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A source, and the shop of it that counts; None means every shop that has ever reported."""

    source: str
    shop: str | None = None


class Settle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="settle"):
    """Hold until every source is complete through the due time, at most `max_hold_ms` after it.

    A timeout concerns every send that is reached before the next wait or gate.
    """

    label: str
    gates: tuple[Gate, ...]
    max_hold_ms: int
    on_timeout: Literal["skip", "send"]
    next: int


class If(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="if"):
    """Judged once, when reached. Unknown goes to `otherwise`."""

    label: str
    condition: Condition
    then: int
    otherwise: int


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="route"):
    """By the text of one word of the trigger; judged once, when reached."""

    label: str
    by: str
    cases: dict[str, int]
    otherwise: int


class Send(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="send"):
    """Order one message."""

    label: str
    template: str
    channel: str
    message_class: Literal["marketing", "transactional"]
    priority: int = 5
    own_gate: bool = False  # its `settle` is a key of its own: a timeout there concerns this message only
    max_lateness_ms: int = MAX_LATENESS_MS_DEFAULT
    when_late: Literal["reevaluate", "skip"] = (
        "reevaluate"  # a message that is reached later than that after its moment
    )
    next: int


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="stop"):
    """End the enrollment with this reason."""

    label: str
    reason: str


Step = Wait | Settle | If | Route | Send | Stop


class Flow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One flow. `steps` is a list; `next`, `then` and the like are indexes into it; the last step is always a Stop."""

    name: str
    version: str = ""  # content hash of everything below; set by the compiler
    status: Literal["live", "draft"] = "live"
    trigger: EventMatch
    key: str | None = None  # a word of the trigger; None: one enrollment per profile
    retrigger: Literal["ignore", "restart", "replace_context"] = "ignore"
    reentry: Reentry = Reentry()
    max_trigger_age_ms: int
    exits: tuple[ExitRule, ...] = ()
    exit_check: Literal["continuous", "at_send"] = "continuous"
    skew_ms: int
    steps: tuple[Step, ...]

    @property
    def addressed(self) -> bool:
        """True when some message of this flow needs an address; such a flow refuses anonymous profiles."""
        return any(isinstance(step, Send) and step.channel != "log" for step in self.steps)
