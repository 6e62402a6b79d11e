"""The timers of one partition: an index over profile states, derived from them and kept nowhere else.

A heap of (wakeup, profile key) with lazy cancellation: an entry counts only while it is the profile's current wakeup.
"""

from __future__ import annotations

import heapq

from schemas.profile import NEVER
from streams.holds import Holds


class Timers:
    """Who has to be woken when, one current wakeup a profile; and, beside it, who is held at which gate."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, bytes]] = []
        self._current: dict[bytes, int] = {}
        self.holds = Holds()

    def __len__(self) -> int:
        return len(self._current)

    def set(self, key: bytes, wakeup_at: int) -> None:
        """Make this the profile's wakeup, replacing any other; NEVER takes it out."""
        if wakeup_at == NEVER:
            self._current.pop(key, None)
            return
        if self._current.get(key) != wakeup_at:
            self._current[key] = wakeup_at
            heapq.heappush(self._heap, (wakeup_at, key))
        # Entries that no longer count stay in the heap until it has grown too much by them.
        if len(self._heap) > 2 * len(self._current) + 1024:
            self._heap = [(at, profile) for profile, at in self._current.items()]
            heapq.heapify(self._heap)

    def drop(self, key: bytes) -> None:
        """Say that a profile waits for nothing."""
        self._current.pop(key, None)
        if key in self.holds:
            self.holds.set(key, (), open_due_at=None)

    def next_at(self) -> int:
        """The earliest wakeup, NEVER if there is none."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else NEVER

    def pop(self, through: tuple[int, bytes]) -> tuple[int, bytes] | None:
        """Take out the earliest (wakeup, key) that is not above `through`."""
        self._drop_stale()
        if not self._heap or self._heap[0] > through:
            return None
        wakeup_at, key = heapq.heappop(self._heap)
        del self._current[key]
        return wakeup_at, key

    def first(self, limit: int, *, through: tuple[int, bytes]) -> list[tuple[int, bytes]]:
        """The earliest (wakeup, key) not above `through`, at most `limit` of them; nothing is taken out."""
        found: list[tuple[int, bytes]] = []
        while len(found) < limit:
            self._drop_stale()
            if not self._heap or self._heap[0] > through:
                break
            if not found or found[-1] != self._heap[0]:
                found.append(self._heap[0])
            heapq.heappop(self._heap)
        for entry in found:
            heapq.heappush(self._heap, entry)
        return found

    def overdue(self, now: int, *, limit: int) -> int:
        """How many profiles have a wakeup before an instant, counted up to `limit`. Looks at no other."""
        due: set[bytes] = set()
        places = [0]
        while places and len(due) < limit:
            place = places.pop()
            if place < len(self._heap) and self._heap[place][0] < now:
                wakeup_at, key = self._heap[place]
                if self._current.get(key) == wakeup_at:
                    due.add(key)
                places += (2 * place + 1, 2 * place + 2)
        return len(due)

    def _drop_stale(self) -> None:
        while self._heap and self._current.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
