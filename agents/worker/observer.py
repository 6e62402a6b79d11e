"""Looks at the worker once a second, from within, and makes its report; says in the log how a recovery goes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from agents.worker.population import Population
from agents.worker.report import PartitionReport, Phase, SourceReport, WorkerReport
from agents.worker.ticking import TickState
from schemas.command import Clock
from streams.partition import Partition
from streams.schedule import Awaited

LOOK_SECONDS = 1.0
RECOVERY_LINE_SECONDS = 5.0
#: Counting ends here in each partition: it goes through them one by one, once a second, and two ticks release so many.
OVERDUE_MAX = 1_000

log = logging.getLogger("cartwheel.worker")


class Observed(Protocol):
    """What is looked at of an owned partition."""

    core: Partition
    population: Population
    tick: TickState
    owned_at: int
    first_position: int

    @property
    def stopped_because(self) -> str | None: ...
    @property
    def epoch(self) -> int: ...
    @property
    def unread_at(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Where to look. Everything is asked on the event loop's thread."""

    owned: Callable[[], Iterable[Observed]]
    lag: Callable[[int, int], int | None]
    """Records of a partition from a position on, if the broker has said."""
    committed: Callable[[int], int | None]
    """The last offset of a partition that was committed since it is ours."""
    unread_at: Callable[[int, int], int | None]
    """The append time of the record at a position of a partition, where that was asked for."""
    assigned: Callable[[], bool]
    started: Callable[[], bool]
    """Whether all partitions assigned are being read."""
    stopping: Callable[[], bool]
    remaining: Callable[[], int]
    """Changelog records that the recovery under way has still to read."""
    gaps: Callable[[], int]
    low_water_at: Callable[[], int | None]
    instance: str
    namespace: str
    clock: Clock
    clock_ms: Callable[[], int]


class Observer:
    """`publish` takes each report."""

    def __init__(self, views: Views, *, publish: Callable[[WorkerReport], None]) -> None:
        self._views, self._publish = views, publish
        self._was_assigned = False
        self._lag_seen: dict[int, tuple[int, float]] = {}  # partition -> position, and since when it has a lag there
        self._commit_moved: dict[int, tuple[int | None, float]] = {}  # partition -> committed, since when
        self._recovery = Recovery()

    async def run(self) -> None:
        """Look until canceled."""
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(LOOK_SECONDS)

    def look(self, seconds: float) -> None:
        """Make a new report; `seconds` is now, by the monotonic clock."""
        views = self._views
        owned, phase, now = list(views.owned()), self._phase(), views.clock_ms()
        pending: Counter[str] = Counter()
        for one in owned:
            pending.update(one.population.timers)
        remaining = views.remaining() if phase == "recovering" else 0
        self._recovery.look(recovering=phase == "recovering", remaining=remaining, seconds=seconds)
        low_water_at = views.low_water_at()
        report = WorkerReport(
            instance=views.instance,
            namespace=views.namespace,
            phase=phase,
            partitions=tuple(self._look_at(one, now=now, seconds=seconds) for one in owned),
            timers_pending=dict(pending),
            recovery_remaining_records=remaining,
            recovery_seconds=self._recovery.seconds,
            low_water_lag_seconds=None if low_water_at is None else max(0, now - low_water_at) / 1000,
            offset_gaps=views.gaps(),
            sources=tuple(_sources((one.core.awaited() for one in owned), now=now)) if views.clock == "live" else (),
        )
        self._publish(report)

    def _phase(self) -> Phase:
        views = self._views
        self._was_assigned |= views.assigned()
        if views.stopping():
            return "stopping"
        if views.started():
            return "working"
        return "recovering" if self._was_assigned else "starting"

    def _look_at(self, one: Observed, *, now: int, seconds: float) -> PartitionReport:
        core, number = one.core, one.core.number
        time_at = core.now_at if self._views.clock == "carried" else now
        lag = self._views.lag(number, core.position)
        committed = self._views.committed(number)
        uncommitted = core.position - (one.first_position if committed is None else committed)
        return PartitionReport(
            partition=number,
            position=core.position,
            epoch=one.epoch,
            lag_records=lag,
            lag_seconds=self._lag_seconds(one, lag=lag, now=now, seconds=seconds),
            uncommitted_records=max(0, uncommitted),
            committed_age_seconds=self._committed_age(
                one.core.number, committed, behind=uncommitted > 0, seconds=seconds
            ),
            profiles=one.population.profiles,
            timers_pending=one.population.timers.total(),
            timers_overdue=core.overdue(time_at, limit=OVERDUE_MAX),
            oldest_due_seconds=max(0, time_at - core.next_wakeup_at) / 1000,
            through_lag_seconds=max(0, time_at - (core.through_at or one.owned_at)) / 1000,
            clock_skew_seconds=one.tick.skew_ms / 1000,
            stopped=one.stopped_because,
            activation=core.program.number,
        )

    def _lag_seconds(self, one: Observed, *, lag: int | None, now: int, seconds: float) -> float | None:
        """By the append time of the next unread record. Where nobody has seen it, at least since we know of it."""
        position = one.core.position
        if not lag:
            self._lag_seen.pop(one.core.number, None)
            return None if lag is None else 0.0
        known = self._lag_seen.get(one.core.number)
        if known is None or known[0] != position:
            known = self._lag_seen[one.core.number] = (position, seconds)
        unread_at = one.unread_at
        if unread_at is None:
            unread_at = self._views.unread_at(one.core.number, position)
        return seconds - known[1] if unread_at is None else max(0, now - unread_at) / 1000

    def _committed_age(self, number: int, committed: int | None, *, behind: bool, seconds: float) -> float:
        offset, since = self._commit_moved.get(number, (None, seconds))
        if not behind or offset != committed:
            since = seconds
        self._commit_moved[number] = (committed, since)
        return seconds - since


def _sources(seen: Iterable[Mapping[str, Awaited]], *, now: int) -> Iterator[SourceReport]:
    found: defaultdict[str, list[Awaited]] = defaultdict(list)
    for source, one in (pair for some in seen for pair in some.items()):
        found[source].append(one)
    for source, some in sorted(found.items()):
        known = [one.through_at for one in some if one.through_at is not None]
        through_at = min(known) if len(known) == len(some) else None
        yield SourceReport(
            source=source,
            complete_through_at=through_at,
            age_seconds=None if through_at is None else max(0, now - through_at) / 1000,
            held=sum(one.held for one in some),
        )


class Recovery:
    """How long a recovery takes, and its lines in the log."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began: float | None = None
        self._said_at = 0.0
        self._last = 0

    def look(self, *, recovering: bool, remaining: int, seconds: float) -> None:
        """Once a second."""
        if not recovering:
            if self._began is not None:
                log.info("recovered within %.0f s", self.seconds)
            self._began = None
            return
        if self._began is None:
            self._began = self._said_at = seconds
            self._last = remaining
        self.seconds = seconds - self._began
        passed = seconds - self._said_at
        if passed >= RECOVERY_LINE_SECONDS:
            rate = max(0.0, (self._last - remaining) / passed)
            rest = f", about {remaining / rate:.0f} s to go" if rate else ""
            if remaining:
                log.info("recovering: %d changelog records remain, %.0f read in a second%s", remaining, rate, rest)
            elif self._last:
                log.info("recovering: the changelog is read, timers are being counted")
            self._said_at, self._last = seconds, remaining
