"""The timers of one partition: an index over profile states, derived from them and kept nowhere else.

A heap of (wakeup, profile key) with lazy cancellation: an entry counts only while it is the profile's current wakeup.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from schemas.flow import Gate
from schemas.profile import NEVER

Hold = tuple[tuple[Gate, ...], int]  # the gates of a held enrollment, and its due time


class Timers:
    """Who has to be woken when, and who is held at which source."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, bytes]] = []
        self._current: dict[bytes, int] = {}
        self._holds: dict[bytes, tuple[Hold, ...]] = {}
        self._held_at: dict[str, set[bytes]] = {}  # source -> profile keys

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

    def hold(self, key: bytes, holds: tuple[Hold, ...]) -> None:
        """Say at which gates a profile is held; an empty tuple says at none."""
        for gates, _ in self._holds.pop(key, ()):
            for gate in gates:
                self._held_at.get(gate.source, set()).discard(key)
        if holds:
            self._holds[key] = holds
            for gates, _ in holds:
                for gate in gates:
                    self._held_at.setdefault(gate.source, set()).add(key)

    def held_at(self, sources: Iterable[str]) -> list[tuple[bytes, tuple[Hold, ...]]]:
        """The profiles held at any of these sources, in key order."""
        keys = set().union(*(self._held_at.get(source, ()) for source in sources))
        return [(key, self._holds[key]) for key in sorted(keys)]

    def drop(self, key: bytes) -> None:
        """Say that a profile waits for nothing."""
        self._current.pop(key, None)
        if key in self._holds:
            self.hold(key, ())

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
