"""W3: a million timers over an hour beside a steady stream of events; then many in one second; then churn.

Three phases on one worker. *steady*: timers come due evenly while other events arrive. *burst*: nothing else comes, and
in one second everybody of a crowd is due. *churn*: a tenth of all timers are armed anew by events, some for soon.

A timer's lateness is the append time of its command less its moment. Each moment stands in the words of the trigger, so
the commands alone tell which came, which were early, and which are missing.
"""

from __future__ import annotations

import asyncio
import gc
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from agents.topic_reader import read_to_end
from benchmarks.profile_log import clock_ms, producing
from benchmarks.stage import Stage, Wrong
from benchmarks.traffic import drafts
from benchmarks.workloads import load, running
from benchmarks.workloads.answers import Latency
from benchmarks.workloads.ground import Ground, fresh_log
from benchmarks.workloads.people import person
from benchmarks.workloads.results import Reading
from benchmarks.workloads.running import Worker, total
from benchmarks.workloads.seeding import FLOW, HOUR_MS, Seeded, due_of, due_word, evenly, seed
from schemas import codec
from schemas.command import Command
from schemas.control import TICK_KEY, Tick
from schemas.instants import from_wire, to_wire
from schemas.topics import DEFAULT_PARTITIONS

FLOWS = Path(__file__).parent / "flows" / "timers"
READY_SECONDS = 180.0
AFTER_READY_MS = 3_000
BETWEEN_MS = 3_000
PREPARATION_MS, PREPARATION_US = 20_000, 90  # before the first timer is due: at least, and per timer
DRAIN_SECONDS_MAX = 60
OVERDUE_MAX = 200  # of a million in an hour, that many come due within a second
FLUSH_MS = 1_000  # by when the states behind the last command are written, too
SOON_MS, LATER_MS = 3_000, 20_000  # how far ahead a timer is armed anew
SAMPLE_SECONDS = 0.02
EDGE_MS = 1_000  # a timer due so shortly around being armed anew may or may not have gone before


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything."""

    pending: int
    per_second: float
    steady_seconds: float
    burst: int
    churn: int


Fired = dict[tuple[bytes, int], int]
"""Commands of the timers' flow: the person and the moment, and when the broker had it."""


@dataclass(slots=True)
class Rearming:
    """An event that arms a person's timer anew, so far ahead of when it happens."""

    number: int
    ahead_ms: int
    happened_at: int = -1
    """Once it has."""

    @property
    def key(self) -> bytes:
        """Of the person."""
        return person(self.number).key

    @property
    def due_at(self) -> int:
        """The moment that it asks for."""
        return self.happened_at + self.ahead_ms

    def at(self, instant: int) -> bytes:
        """It is said to have happened an hour before the moment that it asks for, as the flow waits an hour."""
        self.happened_at = instant
        when, received = to_wire(self.due_at - HOUR_MS), to_wire(instant)
        return (
            f'{{"specversion":"1.0","id":"again-{self.number}","source":"shop/web","type":"list.subscribed.v1",'
            f'"time":"{when}","received_at":"{received}",{person(self.number).who},'
            f'"properties":{{"list_id":"{due_word(self.due_at)}"}}}}'
        ).encode()


class Sampler:
    """Notes the worker's CPU time again and again, so that it can be asked afterwards for any moment."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._at: list[int] = []
        self._cpu: list[float] = []

    async def run(self) -> None:
        """Until canceled."""
        while True:
            self._at.append(clock_ms())
            self._cpu.append(self._worker.cpu_seconds())
            await asyncio.sleep(SAMPLE_SECONDS)

    def seconds(self, begun_at: int, ended_at: int) -> float:
        """CPU between two moments."""
        last = len(self._at) - 1
        first, then = (min(last, bisect_left(self._at, at)) for at in (begun_at, ended_at))
        return self._cpu[then] - self._cpu[first]


async def run(on: Ground, plan: Plan) -> Reading:
    """All three phases. Raises Wrong if a timer was early, missing, twice, or fired although it had been replaced."""
    async with fresh_log(on, partitions=DEFAULT_PARTITIONS) as (stage, identity):
        steady_at = clock_ms() + PREPARATION_MS + plan.pending * PREPARATION_US // 1000
        burst_at = steady_at + int(plan.steady_seconds * 1000) + BETWEEN_MS
        everybody = [
            *evenly(range(plan.pending), begin_at=steady_at, over_ms=HOUR_MS),
            *evenly(range(plan.pending, plan.pending + plan.burst), begin_at=burst_at, over_ms=1_000),
        ]
        await seed(stage, identity, everybody)
        again = [
            Rearming(number * plan.pending // plan.churn, SOON_MS + number * 7919 % LATER_MS)
            for number in range(plan.churn)
        ]
        gc.freeze()  # the driver must not stop to look through what it is about to send
        ready_at, ended_at, sampler, memory_mib = await _phases(stage, plan, again, steady_at=steady_at)
        gc.unfreeze()
        fired = await _fired(stage)
        late = missing(fired, everybody, again, ended_at=ended_at)
        too_late = await _overtaken(stage, late) if late else set()
    check(fired, everybody, again, ended_at=ended_at, too_late=too_late)
    steady = [at - due for (_, due), at in fired.items() if max(steady_at, ready_at) <= due < burst_at - BETWEEN_MS]
    crowd = {person(one.number).key for one in everybody[plan.pending :]}
    burst = [(at, due) for (key, due), at in fired.items() if key in crowd]
    drained_at = max(at for at, _ in burst)
    cpu = sampler.seconds(burst_at, drained_at + FLUSH_MS)
    anew = {(one.key, one.due_at) for one in again}
    churned = [at - due for (key, due), at in fired.items() if (key, due) in anew]
    latencies = {
        "steady": Latency.of(steady),
        "burst": Latency.of([at - due for at, due in burst]),
        "churn": Latency.of(churned),
    }
    return Reading(
        values={
            "pending": plan.pending,
            "lateness p50 ms": latencies["steady"]["p50"],
            "lateness p99 ms": latencies["steady"]["p99"],
            "churn p99 ms": latencies["churn"]["p99"],
            "burst per core second": plan.burst / cpu,
            "burst per second": plan.burst / (drained_at - burst_at) * 1000,
            "memory MiB": memory_mib,
            "armed anew before a tick reached them": len(too_late),
        },
        latencies=latencies,
    )


async def _phases(
    stage: Stage, plan: Plan, again: list[Rearming], *, steady_at: int
) -> tuple[int, int, Sampler, float]:
    """Play them; returns when it was ready, when all was over, the samples, and what was resident after the first."""
    count = int(plan.per_second * plan.steady_seconds)
    background = load.address(drafts(seed=2, kind="session"), partitions=DEFAULT_PARTITIONS, count=count)
    churn = load.address(again, partitions=DEFAULT_PARTITIONS, count=len(again))
    async with running.worker(stage, flows=FLOWS) as worker, producing(stage.kafka) as producer:
        async with load.marking(producer, stage.topics):
            ready_at = await worker.ready(patience_seconds=READY_SECONDS) + AFTER_READY_MS
            if ready_at > steady_at + plan.steady_seconds * 1000 / 2:
                raise Wrong(
                    f"it was ready {(ready_at - steady_at) / 1000:.0f} s after the first phase should have begun"
                )
            sampler = Sampler(worker)
            sampling = asyncio.create_task(sampler.run())
            await asyncio.sleep(max(0, steady_at - clock_ms()) / 1000)
            await load.play(producer, stage, background, per_second=plan.per_second)
            memory_mib = worker.memory_mib()
            burst_over_at = steady_at + plan.steady_seconds * 1000 + BETWEEN_MS + 1_000
            await asyncio.sleep(max(0, burst_over_at + BETWEEN_MS - clock_ms()) / 1000)
            await _drained(worker)
            await load.play(producer, stage, churn, per_second=plan.per_second)
            await asyncio.sleep((SOON_MS + LATER_MS + BETWEEN_MS) / 1000)
            await _drained(worker)
            ended_at = clock_ms()
            sampling.cancel()
        await worker.stop()
    return ready_at, ended_at, sampler, memory_mib


async def _drained(worker: Worker) -> None:
    """Wait until hardly anybody is overdue, which takes as long as it takes. Raises Wrong when that is too long."""
    for _ in range(DRAIN_SECONDS_MAX):
        if total(await worker.numbers(), "cartwheel_timers_overdue") <= OVERDUE_MAX:
            return
        await asyncio.sleep(1.0)
    raise Wrong(f"timers were still overdue {DRAIN_SECONDS_MAX} s after the last one was due")


async def _fired(stage: Stage) -> Fired:
    fired: Fired = {}
    async for record in read_to_end(stage.kafka, stage.topics.commands):
        command = codec.decode_order(record.value)
        if isinstance(command, Command) and command.flow == FLOW:
            one = (record.key, due_of(command.variables["trigger"]["list_id"]))
            if one in fired:
                raise Wrong(f"{record.key.decode()} has two commands for one moment")
            fired[one] = record.timestamp
    return fired


async def _overtaken(stage: Stage, late: set[tuple[bytes, int]]) -> set[tuple[bytes, int]]:
    """Those of them that were armed anew before the first tick that reached them: the log itself says so."""
    keys = {key for key, _ in late}
    anew: dict[bytes, tuple[int, int]] = {}  # person -> partition and offset
    ticks: dict[int, list[tuple[int, int, str | None]]] = {}  # partition -> offset, and the bound
    async for record in read_to_end(stage.kafka, stage.topics.profile_log):
        if record.key == TICK_KEY:
            tick = codec.decode(record.value, Tick)
            bound = (record.offset, from_wire(tick.through), tick.through_key)
            ticks.setdefault(record.partition, []).append(bound)
        elif record.key in keys and b'"id":"again-' in record.value:
            anew.setdefault(record.key, (record.partition, record.offset))
    return overtaken(late, anew, ticks)


def overtaken(
    late: Set[tuple[bytes, int]],
    anew: Mapping[bytes, tuple[int, int]],
    ticks: Mapping[int, Sequence[tuple[int, int, str | None]]],
) -> set[tuple[bytes, int]]:
    """Who of `late` was armed anew (partition, offset) before the first tick (offset, bound) that reached them."""
    return {
        (key, due_at)
        for key, due_at in late
        if key in anew and anew[key][1] < _first_reaching(ticks.get(anew[key][0], ()), key, due_at)
    }


def _first_reaching(ticks: Sequence[tuple[int, int, str | None]], key: bytes, due_at: int) -> float:
    """The offset of the first tick whose bound reaches a timer."""
    reaching = (
        offset
        for offset, through_at, through_key in sorted(ticks)
        if through_at > due_at or (through_at == due_at and (through_key is None or key.decode() <= through_key))
    )
    return next(reaching, math.inf)


def missing(fired: Fired, everybody: list[Seeded], again: list[Rearming], *, ended_at: int) -> set[tuple[bytes, int]]:
    """The timers that have not fired, though their moment was well before they were armed anew."""
    must, _ = _wanted(everybody, again, ended_at=ended_at)
    return must - fired.keys()


def check(
    fired: Fired,
    everybody: list[Seeded],
    again: list[Rearming],
    *,
    ended_at: int,
    too_late: Set[tuple[bytes, int]] = frozenset(),
) -> None:
    """Every timer that counted fired once and not before its moment, and no other one did.

    `too_late` were armed anew before a tick reached them: then they may not fire any more.
    """
    must, may = _wanted(everybody, again, ended_at=ended_at)
    must -= too_late
    early = [one for one, at in fired.items() if at < one[1]]
    for what, some in (("early", early), ("missing", must - fired.keys()), ("not wanted", fired.keys() - must - may)):
        if some:
            raise Wrong(f"{len(some)} timers were {what}, such as {next(iter(some))}")


def _wanted(
    everybody: list[Seeded], again: list[Rearming], *, ended_at: int
) -> tuple[set[tuple[bytes, int]], set[tuple[bytes, int]]]:
    """The timers that must fire, and those that may, because they were armed anew about then."""
    replaced_at = {one.number: one.happened_at for one in again}
    must: set[tuple[bytes, int]] = set()
    may: set[tuple[bytes, int]] = set()
    for number, due_at in everybody:
        until = min(ended_at, replaced_at.get(number, ended_at))
        if due_at < until + EDGE_MS:
            (must if due_at < until - EDGE_MS else may).add((person(number).key, due_at))
    must.update((one.key, one.due_at) for one in again)
    return must, may
