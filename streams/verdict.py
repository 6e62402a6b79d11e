"""Verdicts: what the heart answers. Plain values; `streams.recorder` turns them into commands and decision records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw

from schemas.command import ConsentProof
from schemas.decision import Outcome
from schemas.dossier import NO_WORDS, Message, Stated
from schemas.event import LoggedEvent
from schemas.policy import NO_POLICY, Policy, Storefront
from schemas.profile import Enrollment, Seen
from schemas.steps import Send
from streams.clock.zones import Zone
from streams.watermarks import Gates


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message to command."""

    send: Send
    message: Message
    variables: dict[str, Any]
    group: str
    degraded: bool = False
    consent: ConsentProof | None = None
    storefront: Storefront | None = None  # as the policy declares it


class Note(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing that was decided, and why.

    Only counted are `ignored`, `reached`, by step and way, `zone_invalid`, by the source that its reason names, and
    `plugin_failed`, with the plug-in and its version in place of a step.
    """

    outcome: Outcome | Literal["ignored", "reached", "zone_invalid", "plugin_failed"]
    reason: str
    step: str = ""
    values: dict[str, Any] = {}
    order: Order | None = None  # with outcome "sent"
    message: Message | None = None  # with outcome "recalled" or "regretted"
    visit: int = 0  # with outcome "sent": the visit that it belongs to
    apart: str = ""  # what tells it from others of the same kind by the same record


class Offer(msgspec.Struct, frozen=True, gc=False):
    """The person is offered to another flow, as if this had been a trigger of it."""

    flow: str
    step: str  # that offers
    id: str  # stands for the id of the trigger
    occurred_at: int
    depth: int


class Report(msgspec.Struct, frozen=True, gc=False):
    """An event of one's own about the person, that is reported as a connector would."""

    id: str
    event: str  # short name
    properties: dict[str, Any]
    depth: int


class Effects(msgspec.Struct, gc=False):
    """What steps want done beside moving their enrollment."""

    facts: dict[str, Stated] = {}
    reports: list[Report] = []
    offers: list[Offer] = []


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The answer."""

    enrollment: Enrollment | None  # as it is from now on; None: there is none, or it has ended
    notes: tuple[Note, ...]  # in the order they were decided
    about: Enrollment | None = None  # the one the notes speak of, also when it has ended
    effects: Effects | None = None
    then: Verdict | None = None  # what this happening means beside, for an enrollment that takes the place of this one


def telling(verdict: Verdict, told: Sequence[Note]) -> Verdict:
    """The same, with these notes behind its own."""
    return msgspec.structs.replace(verdict, notes=(*verdict.notes, *told)) if told else verdict


class Passing(msgspec.Struct, frozen=True, gc=False):
    """Input: an event passes by a live enrollment, or something else has changed, and may be a reason to end it."""

    seen: Seen | None


class ZoneChange(msgspec.Struct, frozen=True):
    """Input: the zone of the person is another one; a wait by the calendar or the wall clock is computed anew."""


class Trigger(msgspec.Struct, gc=False):
    """Input: an event that this flow is triggered by. `occurred_at` is already clamped."""

    event: LoggedEvent
    type: str  # short name
    occurred_at: int
    offset: int  # of one that no record brings: before the record that released it, which is applied after it
    words: dict[str, Any]  # those that conditions ask for, and once it begins something, all
    packed: Raw = NO_WORDS  # all of them
    depth: int = 0  # how many flows have handed this person on to here
    parts: dict[str, Any] = {}  # of the event, as far as they have been decoded
    zone: Zone | None = None  # by whose clock its moment came; None: it came with an event


class Wakeup(msgspec.Struct, frozen=True):
    """Input: the enrollment's moment has come, or the gate it is held at has opened."""

    gates: Gates
    policy: Policy = NO_POLICY
