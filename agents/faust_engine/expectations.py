"""Where each partition is to be read next, and which polls may be believed. Pure bookkeeping.

During a rebalance Faust and its client move fetch positions about, hand out records that were fetched for somebody
else's purpose, and run old recoveries to their end beside new ones. So a fetched batch counts only if its partition
has an expected offset, which only an explicit seek gives, and if nothing was sought, revoked or assigned while the
poll was under way. Whatever does not count is sought back to the expected offset, never to that of its first record.
"""

from __future__ import annotations

from collections.abc import Mapping

HEALS_MAX = 3

TopicPartition = tuple[str, int]


class Expectations:
    """`epoch` changes with every seek, revocation and assignment; `tenure` with the last two only."""

    def __init__(self) -> None:
        self.epoch = 0
        self.tenure = 0
        self.held = False
        """True from an assignment to the next revocation."""
        self.restoring = False
        """True from the seek of a recovery until its last changelog record."""
        self.gaps = 0
        """Batches that began elsewhere than expected, since the process began."""
        self._recovery_sought = -1
        self._next: dict[TopicPartition, int] = {}
        self._gaps: dict[TopicPartition, int] = {}

    def end_tenure(self) -> None:
        """Everything is being taken away: expect nothing."""
        self._change(held=False)

    def begin_tenure(self) -> None:
        """Partitions have been assigned; nothing is expected before it is sought."""
        self._change(held=True)

    def _change(self, *, held: bool) -> None:
        self.epoch += 1
        self.tenure += 1
        self.held = held
        self.restoring = False
        self._next.clear()
        self._gaps.clear()

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """These are about to be sought, so a poll that is under way is not to be believed."""
        self.epoch += 1
        self._next.update(offsets)

    def recovery_sought(self, *, tenure: int) -> None:
        """The changelog has been sought for a recovery that began in this tenure."""
        if tenure == self.tenure and self.held:
            self._recovery_sought = tenure
            self.restoring = True

    def recovery_is_own(self) -> bool:
        """Whether the recovery that says it is over has sought within this tenure; an older one's word is worthless."""
        return self.held and self._recovery_sought == self.tenure

    def next_of(self, tp: TopicPartition) -> int | None:
        """The expected offset, or `None` if the partition has not been sought in this tenure."""
        return self._next.get(tp)

    def taken(self, tp: TopicPartition, *, next_offset: int) -> None:
        """A batch was taken; the next one begins at `next_offset`."""
        self._next[tp] = next_offset
        self._gaps.pop(tp, None)

    def heals(self, tp: TopicPartition) -> bool:
        """A batch began elsewhere than expected: true if seeking back may still help, false if it has not."""
        self.gaps += 1
        self._gaps[tp] = self._gaps.get(tp, 0) + 1
        return self._gaps[tp] <= HEALS_MAX
