"""The timers of one partition: an index over profile states, derived from them and kept nowhere else.

A heap of (wakeup, profile key) with lazy cancellation: an entry counts only while it is the profile's current wakeup.
The earliest are taken off the heap once, when somebody asks for them, and then lie in a row.
"""

from __future__ import annotations

import heapq

from schemas.profile import NEVER
from streams.holds import Holds


class Timers:
    """Who has to be woken when, one current wakeup a profile; and, beside it, who is held at which gate."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, bytes]] = []
        self._row: list[tuple[int, bytes]] = []  # the earliest last; what has been set since may be earlier still
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
        # Entries that no longer count stay until there are too many of them.
        if len(self._heap) + len(self._row) > 2 * len(self._current) + 1024:
            self._heap, self._row = [(at, profile) for profile, at in self._current.items()], []
            heapq.heapify(self._heap)

    def bring_forward(self, key: bytes, wakeup_at: int) -> None:
        """Wake the profile no later than this."""
        self.set(key, min(wakeup_at, self._current.get(key, NEVER)))

    def bring_all_forward(self, wakeup_at: int) -> None:
        """Wake everybody who has a wakeup no later than this."""
        for key in list(self._current):
            self.bring_forward(key, wakeup_at)

    def drop(self, key: bytes) -> None:
        """Say that a profile waits for nothing."""
        self._current.pop(key, None)
        if key in self.holds:
            self.holds.set(key, (), open_due_at=None)

    def next_at(self) -> int:
        """The earliest wakeup, NEVER if there is none."""
        return next((wakeup_at for wakeup_at, _ in self.first(1, through=(NEVER, b""))), NEVER)

    def any_through(self, through: tuple[int, bytes]) -> bool:
        """False when nothing is due; true may also mean an entry that does not count any more."""
        return bool(self._heap and self._heap[0] <= through) or bool(self._row and self._row[-1] <= through)

    def pop(self, through: tuple[int, bytes]) -> tuple[int, bytes] | None:
        """Take out the earliest (wakeup, key) that is not above `through`."""
        entry = self._take(through)
        if entry is not None:
            del self._current[entry[1]]
        return entry

    def first(self, limit: int, *, through: tuple[int, bytes]) -> list[tuple[int, bytes]]:
        """The earliest (wakeup, key) not above `through`, at most `limit` of them; nothing is taken out."""
        found: list[tuple[int, bytes]] = []
        while len(found) < limit and (entry := self._take(through)) is not None:
            if not found or found[-1] != entry:
                found.append(entry)
        self._row += reversed(found)
        return found

    def overdue(self, now: int, *, limit: int) -> int:
        """How many profiles have a wakeup before an instant, counted up to `limit`. Looks at no other."""
        heap, current = self._heap, self._current
        due = {key for at, key in self._row if at < now and current.get(key) == at}
        level = [0]  # of the heap, which has the children of a place at 2p + 1 and 2p + 2, none of them earlier
        while level and len(due) < limit:
            found = [place for place in level if place < len(heap) and heap[place][0] < now]
            due.update(key for at, key in map(heap.__getitem__, found) if current.get(key) == at)
            level = [child for place in found for child in (2 * place + 1, 2 * place + 2)]
        return min(len(due), limit)

    def _take(self, through: tuple[int, bytes]) -> tuple[int, bytes] | None:
        """Take out the first entry that counts, if it is not above `through`; those before it are gone."""
        row, heap, current = self._row, self._heap, self._current
        while row or heap:
            in_row = bool(row) and not (heap and heap[0] < row[-1])
            entry = row[-1] if in_row else heap[0]
            if entry > through:
                return None
            if in_row:
                row.pop()
            else:
                heapq.heappop(heap)
            if current.get(entry[1]) == entry[0]:
                return entry
        return None
