"""Whether this worker is ready, and whether it lives: the two answers that an orchestrator asks for, and why.

Ready: recovered, owning partitions, not stopping. Alive: its event loop beats, no rebalance or recovery is stuck, and
no partition stands still although there is something to do. Whether Kafka can be reached is no part of either: starting
again would not bring it back, and every worker would have to recover at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Protocol

import msgspec

from agents.errors import Halted
from agents.metrics_page import Answer, Page
from agents.topics_admin import removed
from agents.worker.heart import Heart
from agents.worker.log_ends import LogEnds
from agents.worker.report import WorkerReport
from agents.worker.stalls import Stalls

#: Without progress, a partition or the event loop. The loop is no longer taken for alive after half of it.
STALL_SECONDS_MAX = 60.0


class Health:
    """Answers from any thread, by what others have noted: the heart, the stalls, and the report."""

    def __init__(self, *, fail: Callable[[BaseException], object], stall_seconds: float = STALL_SECONDS_MAX) -> None:
        self.heart, self.stalls = Heart(fail=fail, still_seconds=stall_seconds), Stalls()
        self.report = WorkerReport()
        self.stall_seconds = stall_seconds
        self.stalled: Callable[[], str | None] = lambda: None  # the engine's answer, once there is one

    def publish(self, report: WorkerReport) -> None:
        """A newer report."""
        self.report = report

    def pages(self) -> dict[str, Page]:
        """By their path."""
        return {"/ready": self.ready, "/live": self.live, "/status": self.status}

    def ready(self) -> Answer:
        """Should it count as a worker that works?"""
        # Not by the report, which is up to a second old.
        why_not = ["it is stopping"] if self.heart.is_stopping else self.report.why_not_ready()
        return Answer(ok=not why_not, body={"ready": not why_not, "why": why_not})

    def live(self) -> Answer:
        """Should it be left alone?"""
        why_not = []
        still_seconds, worst = self.heart.still_seconds(), self.stalls.worst()
        if still_seconds > self.stall_seconds / 2:
            why_not.append(f"the event loop has not moved for {still_seconds:.0f} s")
        if worst is not None and worst.seconds >= self.stall_seconds:
            why_not.append(str(worst))
        if (stall := self.stalled()) is not None:
            why_not.append(stall)
        return Answer(ok=not why_not, body={"live": not why_not, "why": why_not})

    def status(self) -> Answer:
        """The whole report."""
        return Answer(ok=True, body=msgspec.to_builtins(self.report))


class Standing(Protocol):
    """What is watched of an owned partition."""

    @property
    def number(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def settled_position(self) -> int: ...
    @property
    def unread_at(self) -> int | None: ...
    @property
    def stopped_because(self) -> str | None: ...


class Watch:
    """Asks the broker again and again whether partitions that stand still have something to do."""

    def __init__(
        self,
        health: Health,
        *,
        ends: LogEnds,
        owned: Callable[[], Collection[Standing]],
        unanswered: Callable[[], None],
        fail: Callable[[BaseException], object],
    ) -> None:
        """`unanswered` is called whenever the broker has not answered, so that others do not count that time either."""
        self._stalls, self._stall_seconds = health.stalls, health.stall_seconds
        self._ends, self._owned, self._unanswered, self._fail = ends, owned, unanswered, fail
        self._unread: dict[int, tuple[int, int]] = {}  # partition -> position, append time of the record there

    def unread_at(self, number: int, position: int) -> int | None:
        """The append time of the record at this position of a partition, if it has been asked for."""
        known = self._unread.get(number)
        return known[1] if known is not None and known[0] == position else None

    async def run(self) -> None:
        """Look until canceled. Ends the process when a partition has stood still for too long."""
        try:
            while True:
                await asyncio.sleep(self._stall_seconds / 6)
                await self._look()
                worst = self._stalls.worst()
                if worst is not None and worst.seconds >= self._stall_seconds:
                    self._fail(
                        Halted(
                            str(worst), next_step="start the worker again, nothing is lost; report this if it recurs"
                        )
                    )
        finally:
            await self._ends.close()

    async def _look(self) -> None:
        owned = list(self._owned())
        # Somebody is asked also while nothing is owned, as in a recovery.
        ends = await self._ends.ends([one.number for one in owned] or [0])
        if ends is None:
            self._unanswered()
            if missing := await self._ends.missing():
                self._fail(removed(*missing))
        # Those given up while we were asking are nobody's concern any more.
        owned = [one for one in owned if one in self._owned()]
        self._stalls.look(
            {one.number: one.settled_position for one in owned},
            ends=ends,
            exempt={one.number for one in owned if one.stopped_because},
            seconds=time.monotonic(),
        )
        unread = {}
        for one in owned:
            position = one.position
            if ends is not None and ends.get(one.number, 0) > position and one.unread_at is None:
                appended_at = self.unread_at(one.number, position) or await self._ends.appended_at(one.number, position)
                if appended_at is not None:
                    unread[one.number] = (position, appended_at)
        self._unread = unread
