"""A view: everything that a condition may look at, at one moment of one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.flow import Flow
from schemas.profile import Enrollment, Profile, Seen
from streams.verdict import Note


class View(msgspec.Struct, gc=False):
    """`words` are those of the event at hand, or of the trigger; the rest is unset where only words may be asked for.

    `offset` is that of the record being processed; `passing` is its event, as long as the history has it not yet.
    `told` takes notes of what went wrong while somebody looked.
    """

    words: Mapping[str, Any]
    profile: Profile | None = None
    enrollment: Enrollment | None = None
    flow: Flow | None = None
    now: int = 0
    offset: int = -1
    passing: Seen | None = None
    told: list[Note] | None = None
