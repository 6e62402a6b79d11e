"""A passage: one wakeup of one enrollment through as many steps as it can take at that instant."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from schemas.dossier import Message, Stated
from schemas.flow import Flow
from schemas.limits import CHAIN_MS_MIN
from schemas.policy import NO_POLICY, Policy
from schemas.profile import Enrollment, Profile
from schemas.steps import Send, Value
from streams import ids, zone
from streams.clock.zones import Zone
from streams.values import text_of, value_of
from streams.verdict import Effects, Note
from streams.view import View
from streams.watermarks import Gates

WAYS_MAX = 10


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
    values: dict[str, Any] = {}


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
    effects: Effects | None = None
    ways: dict[str, dict[str, Any]] = {}  # by the label of each branch that it has come by: which, and what decided
    ordered_for: str | None = None  # the storefront of a message that is on its way; None: it is to be ordered
    _words: dict[str, Any] | None = None  # once somebody has asked

    @property
    def view(self) -> View:
        """What a condition may look at here."""
        return View(self._words, self.profile, self.enrollment, self.flow, self.now, self.offset, told=self.notes)

    @property
    def words(self) -> dict[str, Any]:
        """Of the trigger."""
        if self._words is None:
            self._words = self.enrollment.words()
        return self._words

    def came_by(self, label: str, way: str, values: dict[str, Any]) -> None:
        """A branch: what follows says so. Of very many the last ones are told."""
        if len(self.ways) >= WAYS_MAX:
            del self.ways[next(iter(self.ways))]
        self.ways[label] = {"way": way, **values}

    def storefront(self, step: Send) -> str:
        """The storefront that a message is of, "" if none is named."""
        if self.ordered_for is not None:
            return self.ordered_for
        named = step.storefront or self.flow.storefront
        return "" if named is None else text_of(named, words=self.words, profile=self.profile)

    def zone(self, step: Send) -> Zone:
        """By whose clock a message keeps its hours."""
        return zone.of_recipient(self.profile, self.flow, context=self.words, storefront=step.storefront)

    def messages(self) -> list[Message]:
        """Those that were ordered before, and those of this passage; of one that is only shown, none is."""
        before = [] if self.profile.dossier is None else self.profile.dossier.messages
        if self.flow.status == "shadow":
            return before
        return [*before, *(note.order.message for note in self.notes if note.order is not None)]

    def value(self, value: Value) -> Any:
        """A word of the trigger, a fact, or what the file says; None when there is none."""
        return value_of(value, words=self.words, profile=self.profile)

    def id_of(self, step: str) -> str:
        """Of what a step makes in this visit: a replay makes the same."""
        return ids.command_id(enrollment_id=self.enrollment.enrollment_id, step=step, visit=self.enrollment.visit)

    def depth(self) -> int:
        """Of what this enrollment hands on: a wait ends the chain, unless it was over within a minute."""
        rested = self.enrollment.waited and self.now - self.enrollment.entered_at >= CHAIN_MS_MIN
        return 1 if rested else self.enrollment.depth + 1

    def own_effects(self) -> Effects:
        """Made when first asked for."""
        if self.effects is None:
            self.effects = Effects()
        return self.effects

    def state(self, name: str, stated: Stated) -> None:
        """A fact from now on, also for the steps behind this one. The profile itself is changed by who called."""
        if self.effects is None or not self.effects.facts:
            self.profile = copy.copy(self.profile)
            dossier = self.profile.dossier = copy.copy(self.profile.known())
            dossier.facts = dict(dossier.facts)
        self.own_effects().facts[name] = self.profile.known().facts[name] = stated
