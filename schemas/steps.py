"""Steps as the core runs them. `next`, `then` and the like are indexes into the steps of the flow."""

from __future__ import annotations

from typing import Any, Literal, TypeGuard, get_args

import msgspec

from schemas.conditions import Condition, EventMatch
from schemas.limits import MARKETING_VALID_MS, MAX_LATENESS_MS_DEFAULT
from schemas.span import Span
from schemas.window import Window

LatePolicy = Literal["reevaluate", "skip", "send"]

#: Where a value comes from while a flow runs: `trigger.word`, `fact.name`, a literal, or a registered function.
Origin = Literal["trigger", "fact", "literal", "plugin"]


class Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value of a step: a word of the trigger, a fact of the person, what the file says, or what a plug-in answers.

    Only variables of messages ask plug-ins; then `of` has the `name` and the `version`.
    """

    origin: Origin
    of: Any


class Wait(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait"):
    """Wait this long: the first wait from the anchor, a later one from the completion of the step before.

    Months and days are those of the calendar in the person's zone; the rest is exact.
    """

    label: str
    span: Span
    next: int


class WaitUntil(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait_until"):
    """Wait for a time of the day, on certain weekdays, where the person is. Exactly then is now."""

    label: str
    at_ms: int  # of the day
    weekdays: tuple[int, ...] = ()  # 0 is Monday; empty: all
    next: int


class WaitUntilDate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait_until_date"):
    """Wait for a date that a word or a fact holds, so long before or after it, at a time of that day if one is named.

    What is over already goes on at once, or ends the enrollment `date_past`; without a date it ends `date_missing`.
    """

    label: str
    date: Value
    span: Span = Span()
    side: Literal["before", "after"] = "after"
    at_ms: int | None = None
    when_past: Literal["go_on", "stop"] = "go_on"
    next: int


class Branch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that is waited for, and the way it opens."""

    when: EventMatch
    match: tuple[tuple[str, str], ...] = ()  # (word of this event, word of the trigger), all must be equal
    next: int


class WaitEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wait_event"):
    """Wait until one of these events comes, or the time is over. An event counts from when the step is entered."""

    label: str
    branches: tuple[Branch, ...]
    timeout: Span
    on_timeout: int


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
    """By the text of one word of the trigger, or of a fact; judged once, when reached."""

    label: str
    by: Value
    cases: dict[str, int]
    otherwise: int


class Arm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One arm of a split."""

    name: str
    weight: int
    next: int


class Split(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="split"):
    """By a keyed hash of (salt, profile or key): the same person is always in the same arm. `holdout` per thousand
    end here, with a decision `holdout`.
    """

    label: str
    salt: str
    by: Literal["profile", "key"] = "profile"
    arms: tuple[Arm, ...]
    holdout_per_thousand: int = 0


class Cap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """At most so many messages of a group in a rolling window; what is over is skipped, or waits for room."""

    group: str
    max: int
    per_ms: int
    when_capped: Literal["skip", "defer"] = "skip"
    expires_ms: int = 0  # how long it waits for room; then it is skipped


class Send(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="send"):
    """Order one message."""

    label: str
    template: str
    channel: str
    message_class: Literal["marketing", "transactional"]
    priority: int = 5
    own_gate: bool = False  # its `settle` is a key of its own: a timeout there concerns this message only
    max_lateness_ms: int = MAX_LATENESS_MS_DEFAULT
    when_late: LatePolicy = "reevaluate"  # a message that is reached later than that after its moment
    valid_ms: int = MARKETING_VALID_MS  # `not_after`, counted from the decision
    storefront: Value | None = None
    window: Window | None = None
    cap: Cap | None = None
    fresh: tuple[tuple[str, int], ...] = ()  # facts that must have been stated at most so many ms ago
    variables: dict[str, Value] = {}
    next: int


class SetFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="set"):
    """State facts of the person."""

    label: str
    facts: dict[str, Value]
    next: int


class Emit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="emit"):
    """Report an event of one's own about the person, as a connector would."""

    label: str
    event: str
    properties: dict[str, Value] = {}
    next: int


class EnterFlow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="enter_flow"):
    """Offer the person to another flow, with the words of this trigger; that flow's own rules judge it."""

    label: str
    flow: str
    next: int


class Stop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="stop"):
    """End the enrollment with this reason."""

    label: str
    reason: str


class Probe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="probe"):
    """Counts who comes by on one way of a step and changes nothing. Only `streams.coverage` puts it into a flow."""

    label: str
    of: str  # label of the step
    way: str
    unsettled: bool = False  # counts only those for whom a gate has timed out
    next: int


Waiting = Wait | WaitUntil | WaitUntilDate | WaitEvent
Step = Waiting | Settle | If | Route | Split | Send | SetFact | Emit | EnterFlow | Stop | Probe

_WAITING = frozenset(get_args(Waiting))


def is_wait(step: Step) -> TypeGuard[Waiting]:
    """Whether an enrollment waits there. `isinstance` would ask each kind in turn, and takes long where it is none."""
    return type(step) in _WAITING
