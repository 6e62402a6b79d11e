"""How many people one partition holds, and how many timers of each flow wait in it.

Counted once, when the partition is rebuilt, and then kept up by what units of work tally. A live enrollment waits for
one moment at a time, so that a flow has as many timers as live enrollments: one more `entered`, one less `ended`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from schemas.waits import flows_of


class Population:
    """Of one partition. Profiles that are ahead of it count as they are: what they pass over is tallied for nobody."""

    def __init__(self) -> None:
        self.profiles = 0
        self.timers: Counter[str] = Counter()

    def restored(self, state: bytes) -> None:
        """A packed profile was found in the local store."""
        self.profiles += 1
        for flow in flows_of(state):
            self.timers[flow] += 1

    def evaluated(self, tallies: Mapping[tuple[str, ...], int]) -> None:
        """A unit of work is evaluated."""
        for tally, count in tallies.items():
            if tally == ("profile",):
                self.profiles += count
            elif tally[0] == "decision" and tally[2] == "entered":
                self.timers[tally[1]] += count
            elif tally[0] == "decision" and tally[2] == "ended":
                self.timers[tally[1]] -= count
