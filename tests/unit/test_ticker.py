"""When the ticker looks at its partitions: on virtual time, so that nothing here depends on the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from agents.worker.marks import Marks
from agents.worker.owned_partition import OwnedPartition
from agents.worker.ticker import Ticker
from agents.worker.ticking import BACKLOG_MAX, PAUSE_SECONDS, TickState
from tests.simulation.clockwork import BEGINS_SECONDS, VirtualLoop, pause


def never(*_: object) -> NoReturn:
    """There is nothing to append, and nothing to fail."""
    raise AssertionError


def looks(*, marks_at: Iterable[float], until: float) -> list[float]:
    """The times at which a ticker without partitions looks whether it has any."""
    loop, found = VirtualLoop(), list[float]()
    moved = asyncio.Event()

    def owned() -> tuple[OwnedPartition, ...]:
        found.append(round(loop.time() - BEGINS_SECONDS, 6))
        return ()

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


@pytest.mark.parametrize(("lag", "planned"), [(None, 0), (BACKLOG_MAX + 1, 0), (BACKLOG_MAX, 1), (0, 1)])
def test_none_is_planned_far_behind_the_end_of_the_log(lag: int | None, planned: int) -> None:
    """Behind it timers are armed that nobody has counted yet."""
    plans: list[int] = []
    core = SimpleNamespace(stopped=None, next_wakeup_at=0, through_at=0, position=0)
    core.plan_tick = lambda *, ceiling_at, **_: plans.append(ceiling_at)
    partition: Any = SimpleNamespace(number=0, tick=TickState(), core=core)
    ticker = Ticker(
        owned=lambda: [partition], marks=Marks(raw_partitions=1), moved=asyncio.Event(), append=never,
        lag=lambda _: lag, clock_ms=lambda: 0, reached=lambda _: None, fail=never,
    )  # fmt: skip

    async def look() -> None:
        ticker._look_at(partition)

    asyncio.run(look())
    assert len(plans) == planned


def test_it_looks_once_per_pause_when_intake_is_silent() -> None:
    assert looks(marks_at=[], until=2.5 * PAUSE_SECONDS) == [0, PAUSE_SECONDS, 2 * PAUSE_SECONDS]


def test_it_looks_as_soon_as_marks_move() -> None:
    assert looks(marks_at=[0.012, 0.03], until=0.06) == [0, 0.012, 0.03]
