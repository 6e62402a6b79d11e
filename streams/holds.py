"""Who is held at which gate, and who of them could go on: derived from profile states, kept nowhere else."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from schemas.steps import Gate

Hold = tuple[tuple[Gate, ...], int]  # the gates of a held enrollment, and its due time
Bound = tuple[int, bytes]  # a due time, or another moment, and a profile key


class Holds:
    """By profile key and by source."""

    def __init__(self) -> None:
        self._holds: dict[bytes, tuple[Hold, ...]] = {}
        self._at: dict[str, set[bytes]] = {}  # source -> profile keys
        self._open: dict[bytes, int] = {}  # the earliest due time of those whose gate is open

    def __contains__(self, key: bytes) -> bool:
        return key in self._holds

    def set(self, key: bytes, holds: tuple[Hold, ...], *, open_due_at: int | None) -> None:
        """Say at which gates a profile is held, none if empty; and the earliest due time of an open one."""
        for gates, _ in self._holds.pop(key, ()):
            for gate in gates:
                self._at.get(gate.source, set()).discard(key)
        if holds:
            self._holds[key] = holds
            for gates, _ in holds:
                for gate in gates:
                    self._at.setdefault(gate.source, set()).add(key)
        self.open(key, open_due_at)

    def open(self, key: bytes, due_at: int | None) -> None:
        """Say that a gate of a profile is open, and the due time of who is held there; or that none is."""
        if due_at is None:
            self._open.pop(key, None)
        else:
            self._open[key] = due_at

    def at(self, sources: Iterable[str]) -> list[tuple[bytes, tuple[Hold, ...]]]:
        """The profiles held at any of these sources, in key order."""
        keys = set().union(*(self._at.get(source, ()) for source in sources))
        return [(key, self._holds[key]) for key in sorted(keys)]

    def count(self, source: str) -> int:
        """How many profiles are held at a gate that asks for this source."""
        return len(self._at.get(source, ()))

    def opened(self) -> dict[bytes, int]:
        """Whose gate is open, with the due time."""
        return self._open


def first(opened: Iterable[tuple[bytes, int]], limit: int) -> list[Bound]:
    """The earliest (due time, key), at most `limit` of them."""
    return heapq.nsmallest(limit, ((due_at, key) for key, due_at in opened))
