"""A view: everything that a condition may look at, at one moment of one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.flow import Flow
from schemas.profile import Enrollment, Profile, Seen
from streams.verdict import Note


class View(msgspec.Struct, gc=False):
    """What is unset may not be asked for.

    `said` are the words of the event at hand; None: those of the trigger of the enrollment, once somebody asks.
    `offset` is that of the record being processed; `passing` is its event, as long as the history has it not yet.
    `told` takes notes of what went wrong while somebody looked.
    """

    said: Mapping[str, Any] | None
    profile: Profile | None = None
    enrollment: Enrollment | None = None
    flow: Flow | None = None
    now: int = 0
    offset: int = -1
    passing: Seen | None = None
    told: list[Note] | None = None

    @property
    def words(self) -> Mapping[str, Any]:
        """Of the event at hand, or of the trigger."""
        if self.said is None:
            self.said = {} if self.enrollment is None else self.enrollment.words()
        return self.said
