"""Hours of the day in local time, on certain weekdays, except on certain days."""

from __future__ import annotations

import msgspec


class Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """From `start_ms` after midnight up to, and without, `end_ms`. An end below the start lies on the next day.

    It belongs to the day it starts on: weekdays and exceptions speak of that day.
    """

    start_ms: int
    end_ms: int  # up to 24:00; never the start
    weekdays: tuple[int, ...] = ()  # Monday is 0; none: every day
    except_days: tuple[str, ...] = ()  # ISO dates, say holidays
