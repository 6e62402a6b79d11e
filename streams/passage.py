"""A passage: one wakeup of one enrollment through as many steps as it can take at that instant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.dossier import Message
from schemas.flow import Flow
from schemas.policy import NO_POLICY, Policy
from schemas.profile import Enrollment, Profile
from schemas.steps import Send
from streams import zone
from streams.clock.zones import Zone
from streams.values import text_of
from streams.verdict import Note
from streams.view import View
from streams.watermarks import Gates


class Go(msgspec.Struct, frozen=True, gc=False):
    """Go on at this step. `completed_at`: when the step was completed, if that is later than it was reached."""

    step: int
    completed_at: int | None = None


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Stay here, held, until the gate opens or this instant has come."""

    until_at: int


class End(msgspec.Struct, frozen=True, gc=False):
    """The enrollment is over."""

    reason: str


Move = Go | Hold | End


class Passage(msgspec.Struct, kw_only=True):
    """What a step may look at. `enrollment` is this passage's own copy."""

    flow: Flow
    enrollment: Enrollment
    profile: Profile
    gates: Gates
    now: int
    offset: int = -1  # of the record being processed
    notes: list[Note] = []
    policy: Policy = NO_POLICY

    @property
    def view(self) -> View:
        """What a condition may look at here."""
        return View(self.enrollment.context, self.profile, self.enrollment, self.flow, self.now, self.offset)

    def storefront(self, step: Send) -> str:
        """The storefront that a message is of, "" if none is named."""
        named = step.storefront or self.flow.storefront
        return text_of(named, words=self.enrollment.context, profile=self.profile)

    def zone(self) -> Zone:
        """Where the person is."""
        return zone_of(self.policy, self.flow, self.profile, self.enrollment.context)

    def messages(self) -> list[Message]:
        """Those that were ordered before, and those of this passage."""
        before = [] if self.profile.dossier is None else self.profile.dossier.messages
        return [*before, *(note.order.message for note in self.notes if note.order is not None)]


def zone_of(policy: Policy, flow: Flow, profile: Profile, context: Mapping[str, Any]) -> Zone:
    """The zone of a person for a flow; the storefront that its trigger names may have one, too."""
    storefronts = {name: one.timezone for name, one in policy.storefronts.items() if one.timezone}
    return zone.of(profile, flow, context=context, storefronts=storefronts)
