"""What each kind of trigger comes to: an event, perhaps one that the engine makes, and perhaps a wait before all."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from typing import NamedTuple

from schemas.catalog import Word
from schemas.conditions import EventMatch
from schemas.flow import Appointment
from schemas.steps import WaitUntilDate

LATER = frozenset({"segment", "segment.enter", "segment.leave", "price_drop", "back_in_stock"})

#: Of an event that the engine makes when a moment has come.
MOMENT_WORDS = {"moment": Word(("moment",), "instant")}


class Start(NamedTuple):
    """`words`: what `where` may ask for, and all else as `trigger.<word>`; None when the event is unknown."""

    match: EventMatch
    words: MappingOf[str, Word] | None
    appointment: Appointment | None = None
    first_wait: WaitUntilDate | None = None
