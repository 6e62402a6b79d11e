"""Windows: when on a day something is allowed, by the clock on somebody's wall."""

from __future__ import annotations

import msgspec


class Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """Half-open, [start, end); one that crosses midnight belongs to the day it starts on."""

    start_ms: int  # of the day, 0 to 86,399,999
    end_ms: int  # of the day, up to 86,400,000; at or below the start: on the day after
    weekdays: tuple[int, ...] = ()  # 0 is Monday; empty: all
    except_days: tuple[str, ...] = ()  # ISO dates on which it does not start
