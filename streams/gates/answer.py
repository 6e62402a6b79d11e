"""What a gate in front of a message answers, if it does not let it by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from schemas.steps import Send
from streams.clock.zones import Zone
from streams.passage import Passage

NO_ZONE = Zone("", "")


class Skip(msgspec.Struct, frozen=True, gc=False):
    """This message is not sent; the flow goes on."""

    reason: str
    values: dict[str, Any] = {}


class Wait(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Not now: the message is judged again then, by all gates from the first one on."""

    reason: str
    until_at: int
    values: dict[str, Any] = {}
    moves: bool = False  # `until_at` is the message's moment from now on, by which it is late and sources are complete
    zone: Zone = NO_ZONE  # in which it was computed
    room_until: int = 0


class Over(msgspec.Struct, frozen=True, gc=False):
    """The enrollment is over."""

    reason: str
    values: dict[str, Any] = {}


Answer = Skip | Wait | Over
Gate = Callable[[Send, Passage], Answer | None]
