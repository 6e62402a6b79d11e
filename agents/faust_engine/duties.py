"""What the engine asks of whoever runs on it: plain callables, called on the main event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One fetched batch on its way to its partition.

    `records` are the client's own (`offset`, `timestamp`, `key`, `value`, `headers`), gapless from where the last
    delivery of the partition ended. `done` is called when the batch is applied and its state is stored.
    """

    partition: int
    records: Sequence[Any]
    done: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """The life of the partitions, in the order in which the engine calls it.

    An exception from any of them ends the process.
    """

    rebuild: Callable[[frozenset[int], Callable[[], bool]], Awaitable[None]]
    """The local store is complete for these partitions: make them ready. The second argument says whether that is still
    wanted; once it is false, leave no trace."""
    positions: Callable[[], Mapping[int, int]]
    """Where each rebuilt partition wants to be read next."""
    started: Callable[[], None]
    """Every partition has been sought to its position; deliveries follow."""
    has_room: Callable[[int], bool]
    """Whether the partition can take one more delivery; also true for one that is not there."""
    is_behind: Callable[[], bool]
    """Whether something has been taken that is not worked off. Called from another thread."""
    take: Callable[[Delivery], bool]
    """Take a delivery without waiting; false if the partition is no longer there."""
    release: Callable[[], Awaitable[None]]
    """Every partition is being taken away: drop what waits, finish what is in flight, forget them."""
    restored: Callable[[int], None]
    """So many changelog records have been read into the local store."""
    reached: Callable[[str], None]
    """A named point in the engine has been reached."""
