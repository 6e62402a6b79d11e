"""When the ticker looks at its partitions: on virtual time, so that nothing here depends on the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NoReturn

from agents.worker.marks import Marks
from agents.worker.owned_partition import OwnedPartition
from agents.worker.ticker import Ticker
from agents.worker.ticking import PAUSE_SECONDS
from tests.simulation.clockwork import BEGINS_SECONDS, VirtualLoop, pause


def looks(*, marks_at: Iterable[float], until: float) -> list[float]:
    """The times at which a ticker without partitions looks whether it has any."""
    loop, found = VirtualLoop(), list[float]()
    moved = asyncio.Event()

    def owned() -> tuple[OwnedPartition, ...]:
        found.append(round(loop.time() - BEGINS_SECONDS, 6))
        return ()

    def never(*_: object) -> NoReturn:
        raise AssertionError("there is nothing to append, and nothing to fail")

    ticker = Ticker(
        owned=owned, marks=Marks(raw_partitions=1), moved=moved, append=never, lag=never, clock_ms=lambda: 0,
        reached=lambda _: None, fail=never,
    )  # fmt: skip

    async def play() -> None:
        for at in marks_at:
            loop.call_later(at, moved.set)
        task = asyncio.create_task(ticker.run())
        await pause(until)
        task.cancel()

    loop.run_until_complete(play())
    loop.close()
    return found


def test_it_looks_once_per_pause_when_intake_is_silent() -> None:
    assert looks(marks_at=[], until=2.5 * PAUSE_SECONDS) == [0, PAUSE_SECONDS, 2 * PAUSE_SECONDS]


def test_it_looks_as_soon_as_marks_move() -> None:
    assert looks(marks_at=[0.012, 0.03], until=0.06) == [0, 0.012, 0.03]
