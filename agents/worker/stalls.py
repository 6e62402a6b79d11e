"""Stalls: partitions that do not move although there is something to do. Pure bookkeeping.

Only what the broker has just said counts, asked by a client of its own. While nobody answers, there is no knowing
whether there is anything to do, and no use in starting again: so an outage of Kafka is never a stall, however long, and
after it a partition has its full patience anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple


class Stall(NamedTuple):
    """A partition that has stood at a position below the end of the log for so long, each time somebody looked."""

    partition: int
    position: int
    end: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"partition {self.partition} has stood at {self.position} for {self.seconds:.0f} s,"
            f" while the broker answers and the log goes on to {self.end}"
        )


class Stalls:
    """Look at the positions now and then; who stands still is remembered since when."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[int, float]] = {}  # partition -> its position, and when it was first seen there
        self._worst: Stall | None = None

    def look(
        self, positions: Mapping[int, int], *, ends: Mapping[int, int] | None, exempt: Collection[int], seconds: float
    ) -> None:
        """`positions` up to which all is stored; `ends` is None where the broker did not answer, and then all is
        forgotten. `exempt` are those that stand still on purpose. `seconds` is now, by the monotonic clock.
        """
        behind = {
            number: position
            for number, position in positions.items()
            if ends is not None and ends.get(number, position) > position and number not in exempt
        }
        self._since = {
            number: known if (known := self._since.get(number)) and known[0] == position else (position, seconds)
            for number, position in behind.items()
        }
        stalls = [
            Stall(number, position, (ends or {})[number], seconds - since)
            for number, (position, since) in self._since.items()
        ]
        self._worst = max(stalls, key=lambda stall: stall.seconds, default=None)

    def worst(self) -> Stall | None:
        """The partition that has stood still for longest at the last look; None if all move or have nothing to do."""
        return self._worst
