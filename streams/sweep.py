"""A sweep: who is due in one record, in due order; and who keeps a timer although it has come.

Ends because every wakeup either ends an enrollment or moves it forward in its flow; and where flows begin or repeat by
the clock, at the end of the calendar, or after so many wakeups of one profile.
"""

from __future__ import annotations

from collections.abc import Callable

from schemas.limits import WAKEUPS_PER_RECORD_MAX
from streams.timers import Timers

Entry = tuple[int, bytes]  # a moment and a profile key


class Sweep:
    """`calendar_through_at`: later than that only enrollments go on, and nobody is asked by the clock."""

    def __init__(
        self, timers: Timers, through: Entry, *, calendar_through_at: int, enrolled_until: Callable[[bytes], int]
    ) -> None:
        self._timers, self._through = timers, through
        self._calendar_through_at, self._enrolled_until = calendar_through_at, enrolled_until
        self._turns: dict[bytes, int] = {}
        self._kept: list[Entry] = []

    def next(self) -> Entry | None:
        """The next one, None when there is nobody any more."""
        while (entry := self._timers.pop(self._through)) is not None:
            moment, key = entry
            self._turns[key] = turns = self._turns.get(key, 0) + 1
            if turns > WAKEUPS_PER_RECORD_MAX:
                self.keep(entry)
            elif moment > self._calendar_through_at and (enrolled := self._enrolled_until(key)) > moment:
                self.keep(entry)
                self._timers.set(key, enrolled)
            else:
                return entry
        return None

    def keep(self, entry: Entry) -> None:
        """This one is not woken by this record."""
        self._kept.append(entry)

    def close(self) -> None:
        """Give the timers back of those that were kept."""
        for moment, key in self._kept:
            self._timers.set(key, moment)
