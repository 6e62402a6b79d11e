"""Activating: the owner of a partition appends the newest activation to it: the switch has one place in its order.

Live clock only: a log with a carried clock keeps the flows that each of its partitions began with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from agents.definitions.book import Book
from agents.errors import Misconfigured
from agents.worker.owned_partition import OwnedPartition
from agents.worker.ticker import Append
from schemas import codec
from schemas.control import ACTIVATION_KEY

LOOK_SECONDS = 0.25

log = logging.getLogger("cartwheel.worker")


class Activator:
    """`append` puts a (key, value) at the end of a partition; `fail` ends the process."""

    def __init__(
        self,
        *,
        owned: Callable[[], Iterable[OwnedPartition]],
        book: Book,
        append: Append,
        fail: Callable[[BaseException], object],
    ) -> None:
        self._owned, self._book, self._append, self._fail = owned, book, append, fail
        self._refused = -1

    async def run(self) -> None:
        """Look until canceled."""
        while True:
            if self._can_follow(number := self._book.newest):
                for partition in list(self._owned()):
                    if partition.core.stopped is None and partition.asked < number > partition.core.program.number:
                        partition.asked = number
                        await self._activate(partition, number)
            await asyncio.sleep(LOOK_SECONDS)

    def _can_follow(self, number: int) -> bool:
        """Whether we have all that it needs. If not, we go on with what is in force, and somebody has to see to it."""
        try:
            self._book.program_of(number)
        except Misconfigured as error:
            if number != self._refused:
                log.error("activation %s is not followed: %s; %s", number, error.message, error.next_step)
            self._refused = number
            return False
        return True

    async def _activate(self, partition: OwnedPartition, number: int) -> None:
        activation = self._book.activation(number)
        try:
            await (await self._append(partition.number, ACTIVATION_KEY, codec.encode(activation)))
        except Exception as error:  # noqa: BLE001 - a producer that has failed once has failed for good
            self._fail(error)
        log.info("partition %s: activation %s is in its log", partition.number, number)
