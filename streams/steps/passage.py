"""A passage: one wakeup of one enrollment through as many steps as it can take at that instant."""

from __future__ import annotations

import msgspec

from schemas.flow import Flow
from schemas.profile import Enrollment, Profile
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

    @property
    def view(self) -> View:
        """What a condition may look at here."""
        return View(self.enrollment.context, self.profile, self.enrollment, self.flow, self.now, self.offset)
