"""Who is on call, and takes a while: dismisses records that nobody can take, tells stopped partitions to go on, makes
state anew where some of it is gone.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from schemas import codec
from schemas.control import RESOLUTION_KEY, Resolution
from schemas.instants import to_wire
from tests.simulation.clockwork import pause
from tests.simulation.misfortune import running

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Of the records that hold somebody, those that are ever dismissed.
DISMISSED = 0.7
RUNBOOK_OF_HOLES = "changelog-truncated"


class OnCall:
    """`resumed` are the stops that are over, as workers are told when they begin."""

    def __init__(self, world: World, dice: Random) -> None:
        self._world, self._dice = world, dice
        self.resumed: set[tuple[int, int]] = set()
        self._poison: dict[bytes, list[int]] = {}
        self._makes_anew = False

    def hears_of(self, key: bytes, partition: int, offset: int) -> None:
        """A profile is held."""
        self._poison.setdefault(key, []).append(offset)
        if self._dice.random() < DISMISSED:
            self._world.loop.later(self._dice.uniform(0.2, 6), self._dismiss, key, partition)

    def _dismiss(self, key: bytes, partition: int) -> None:
        """All of its records that are known by now, or one of them."""
        world, known = self._world, self._poison[key]
        offsets = tuple(known if self._dice.random() < 0.8 else known[:1])
        said = Resolution(
            profile=key.decode(), offsets=offsets, how="dismissed", by="ops", at=to_wire(world.broker.now_at)
        )
        world.broker.append(world.topics.profile_log.name, partition, [(RESOLUTION_KEY, codec.encode(said))])

    def hears_the_end(self, cause: BaseException | str) -> None:
        """Of a process. If there is a hole in the changelog, its runbook is followed."""
        if RUNBOOK_OF_HOLES in getattr(cause, "next_step", "") and not self._makes_anew:
            self._makes_anew = True
            self._world.loop.later(self._dice.uniform(0.5, 3), self._make_anew)

    def _make_anew(self) -> None:
        self._makes_anew = False
        self._world.misfortunes.forget_all_state()

    async def watch(self) -> None:
        """Look for partitions that have stopped; whoever has one is started again with the stop named."""
        while True:
            await pause(self._dice.uniform(0.5, 2))
            for _, worker in running(self._world.slots):
                stops = {(one.number, one.core.stopped.offset) for one in worker.owned() if one.core.stopped}
                if stops and not worker.life.frozen:
                    self.resumed |= stops
                    worker.life.run(worker.stop())
