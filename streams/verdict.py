"""Verdicts: what the heart answers. Plain values; `streams.recorder` turns them into commands and decision records."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from schemas.command import ConsentProof
from schemas.decision import Outcome
from schemas.dossier import Message
from schemas.event import LoggedEvent
from schemas.policy import NO_POLICY, Policy, Storefront
from schemas.profile import Enrollment, Seen
from schemas.steps import Send
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
    """One thing that was decided, and why. `ignored` is only counted, and so is `reached`, by step and way."""

    outcome: Outcome | Literal["ignored", "reached"]
    reason: str
    step: str = ""
    values: dict[str, Any] = {}
    order: Order | None = None  # with outcome "sent"
    message: Message | None = None  # with outcome "recalled" or "regretted"
    visit: int = 0  # with outcome "sent": the visit that it belongs to


class Verdict(msgspec.Struct, frozen=True):
    """The answer."""

    enrollment: Enrollment | None  # as it is from now on; None: there is none, or it has ended
    notes: tuple[Note, ...]  # in the order they were decided
    about: Enrollment | None = None  # the one the notes speak of, also when it has ended


class Passing(msgspec.Struct, frozen=True):
    """Input: an event passes by a live enrollment, or something else has changed, and may be a reason to end it."""

    seen: Seen | None


class Trigger(msgspec.Struct, gc=False):
    """Input: an event that this flow is triggered by. `occurred_at` is already clamped."""

    event: LoggedEvent
    type: str  # short name
    occurred_at: int
    offset: int
    words: dict[str, Any]  # those that conditions ask for, and once it begins something, all
    words_bytes: int = 0  # what all of them take in state


class Wakeup(msgspec.Struct, frozen=True):
    """Input: the enrollment's moment has come, or the gate it is held at has opened."""

    gates: Gates
    policy: Policy = NO_POLICY
