"""Looks at every owned partition in turn and appends the ticks that are worth it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from agents.faust_engine import Written
from agents.worker.marks import Marks
from agents.worker.owned_partition import OwnedPartition
from agents.worker.ticking import BACKLOG_MAX, IDLE_SECONDS, PAUSE_SECONDS, ceiling_at
from schemas import codec
from schemas.control import TICK_KEY, Tick

log = logging.getLogger("cartwheel.worker")

#: Between two rounds that no mark has asked for; there are as many reasons for one as partitions.
REST_SECONDS_MIN = 0.01

Append = Callable[[int, bytes, bytes], Awaitable[Awaitable[Written]]]


class Ticker:
    """`moved` is set when intake's marks have moved. `append` puts a (key, value) at the end of a partition; `lag`
    counts what is still unread in one; `fail` ends the process.
    """

    def __init__(
        self,
        *,
        owned: Callable[[], Iterable[OwnedPartition]],
        marks: Marks,
        moved: asyncio.Event,
        append: Append,
        lag: Callable[[OwnedPartition], int | None],
        clock_ms: Callable[[], int],
        reached: Callable[[str], None],
        fail: Callable[[BaseException], object],
    ) -> None:
        self._owned, self._marks, self._append, self._lag = owned, marks, append, lag
        self._clock_ms, self._reached, self._fail, self._moved = clock_ms, reached, fail, moved
        self._sending: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Look until canceled. Raises Halted when the log is not read any more."""
        while True:
            self._moved.clear()
            rests = [self._look_at(partition) for partition in self._owned()]
            rest = max(REST_SECONDS_MIN, min(rests, default=PAUSE_SECONDS))
            waking = asyncio.get_running_loop().call_later(rest, self._moved.set)
            await self._moved.wait()
            waking.cancel()

    def _look_at(self, partition: OwnedPartition) -> float:
        """Append a tick if it is worth one. In how many seconds to look again, unless marks move before."""
        state, core, now = partition.tick, partition.core, _seconds()
        rest = state.appended_seconds + PAUSE_SECONDS - now
        if rest > 0:
            return rest
        idle = now - state.appended_seconds >= IDLE_SECONDS
        low_water_at = self._marks.low_water_at()
        ceiling = ceiling_at(
            clock_at=self._clock_ms(),
            low_water_at=low_water_at,
            through_at=core.through_at,
            skew_ms=state.skew_ms,
        )
        # Also a gate is only opened once intake is heard: whoever bought since the promise may lie in the raw topic.
        news = low_water_at is not None and state.news_version != self._marks.version
        if core.stopped is not None or not (idle or news or core.next_wakeup_at <= ceiling):
            return PAUSE_SECONDS  # of a partition that has stopped, a tick of ours may stand behind the stop
        if state.is_outstanding(position=core.position, now_seconds=now):
            return PAUSE_SECONDS
        lag = self._lag(partition)
        if lag is None or lag > BACKLOG_MAX:
            return PAUSE_SECONDS
        if news:
            state.news_version = self._marks.version
        tick = core.plan_tick(ceiling_at=ceiling, watermarks=self._marks.watermarks() if news else (), force=idle)
        if tick is not None:
            state.sending = True
            task = asyncio.create_task(self._send(partition, tick))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return PAUSE_SECONDS

    async def _send(self, partition: OwnedPartition, tick: Tick) -> None:
        state = partition.tick
        was_skewed, sent_at = state.is_skewed(), self._clock_ms()
        try:
            written = await self._append(partition.number, TICK_KEY, codec.encode(tick))
            self._reached("tick_produced")
            acknowledged = await written
            state.appended(
                offset=acknowledged.base_offset,
                appended_at=acknowledged.appended_at,
                sent_at=sent_at,
                acknowledged_at=self._clock_ms(),
                seconds=_seconds(),
            )
        except Exception as error:  # noqa: BLE001 - a producer that has failed once has failed for good
            self._fail(error)
        finally:
            state.sending = False
        if state.is_skewed() and not was_skewed:
            log.error(
                "partition %s: the broker's clock is %+.1f s from ours; timers are not released until they agree",
                partition.number,
                state.skew_ms / 1000,
            )


def _seconds() -> float:
    return asyncio.get_running_loop().time()
