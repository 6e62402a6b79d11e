"""Runs workloads one after the other on one broker, and keeps what each of them has read, or why it has no number."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agents.errors import Unavailable
from benchmarks import machine
from benchmarks.stage import Wrong
from benchmarks.workloads import faust_latency, idle, latency, recovery, slopes, timers
from benchmarks.workloads.cost import Cost, Side, measure, set_up
from benchmarks.workloads.ground import Ground
from benchmarks.workloads.latency import Rate
from benchmarks.workloads.results import Reading, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything. The defaults are those of the gates."""

    rounds: int = 3
    warm_up_seconds: float = 10.0
    seconds: float = 20.0
    calibration_seconds: float = 2.0
    profiles: int = 1_000_000
    profiles_few: int = 100_000
    burst: int = 100_000
    churn: int = 100_000
    background: float = 5_000.0
    steady_seconds: float = 40.0
    backlog: int = 50_000
    idle_seconds: float = 60.0
    half_of_maximum: float = 25_000.0
    half_of_faust: float = 2_500.0
    rates: tuple[float, ...] = (1_000.0, 5_000.0, 20_000.0)
    hot_rate: float = 10_000.0
    partitions: tuple[int, int] = (4, 64)
    flows: int = 200
    events_per_second_max: int = 110_000


FULL = Sizes()
SMALL = Sizes(
    rounds=1,
    warm_up_seconds=3.0,
    seconds=8.0,
    calibration_seconds=0.5,
    profiles=100_000,
    profiles_few=10_000,
    burst=10_000,
    churn=10_000,
    background=2_000.0,
    steady_seconds=10.0,
    backlog=20_000,
    idle_seconds=10.0,
    half_of_maximum=10_000.0,
    rates=(1_000.0,),
    hot_rate=5_000.0,
    flows=50,
)


@dataclass(slots=True)
class Runner:
    """Collects runs. Each method is one workload with all its rounds."""

    on: Ground
    sizes: Sizes
    runs: list[Run] = field(default_factory=list)

    async def latency(self) -> None:
        """W2."""
        rates = {"latency at half": self.sizes.half_of_maximum}
        rates |= {f"latency at {rate:,.0f}": rate for rate in self.sizes.rates}
        for name, rate in rates.items():
            for number in self._rounds():
                await self._record(name, number, latency.at_rate(self.on, self._load(rate)), {"rate": rate})

    async def hot(self) -> None:
        """W9."""
        rate = self.sizes.hot_rate
        for number in self._rounds():
            await self._record("hot", number, latency.beside_a_hot_one(self.on, self._load(rate)), {"rate": rate})

    async def faust(self) -> None:
        """W2 and W9 of the tuned Faust agent, at rates that it may hold."""
        half = self.sizes.half_of_faust
        for rate in (half, *(rate for rate in self.sizes.rates if rate < 4 * half)):
            for number in self._rounds():
                reading = faust_latency.at_rate(self.on, self._load(rate))
                await self._record(f"faust latency at {rate:,.0f}", number, reading, {"rate": rate})
        for number in self._rounds():
            reading = faust_latency.beside_a_hot_one(self.on, self._load(half))
            await self._record("faust hot", number, reading, {"rate": half})

    async def timers(self) -> None:
        """W3."""
        sizes = self.sizes
        plan = timers.Plan(
            pending=sizes.profiles,
            per_second=sizes.background,
            steady_seconds=sizes.steady_seconds,
            burst=sizes.burst,
            churn=sizes.churn,
        )
        for number in self._rounds():
            await self._record("timers", number, timers.run(self.on, plan), {"pending": sizes.profiles})

    async def recovery(self) -> None:
        """W4."""
        profiles, backlog = self.sizes.profiles, self.sizes.backlog
        for number in self._rounds():
            reading = recovery.run(self.on, profiles=profiles, backlog=backlog)
            await self._record("recovery", number, reading, {"profiles": profiles, "backlog": backlog})

    async def idle(self) -> None:
        """Nobody does anything."""
        for number in self._rounds():
            reading = idle.run(self.on, settle_seconds=self.sizes.idle_seconds / 2, seconds=self.sizes.idle_seconds)
            await self._record("idle", number, reading, {"seconds": self.sizes.idle_seconds})

    async def people(self) -> None:
        """W6."""
        few, many = self.sizes.profiles_few, self.sizes.profiles
        await self._compare("people", slopes.people(few, many), {"few": few, "many": many})

    async def partitions(self) -> None:
        """W7, partitions."""
        few, many = self.sizes.partitions
        await self._compare("partitions", slopes.partitions(few, many), {"few": few, "many": many})

    async def flows(self) -> None:
        """W7, flows."""
        with TemporaryDirectory() as folder:
            sides = slopes.flows(Path(folder), many=self.sizes.flows)
            await self._compare("flows", sides, {"few": 1, "many": self.sizes.flows})

    def _load(self, rate: float) -> Rate:
        return Rate(per_second=rate, warm_up_seconds=self.sizes.warm_up_seconds, seconds=self.sizes.seconds)

    def _rounds(self) -> range:
        return range(1, self.sizes.rounds + 1)

    async def _compare(self, name: str, sides: tuple[Side, Side], settings: Mapping[str, float]) -> None:
        sizes = self.sizes
        events = int((sizes.warm_up_seconds + sizes.seconds + 3) * sizes.events_per_second_max)
        async with AsyncExitStack() as stack:
            stages = [await stack.enter_async_context(set_up(self.on, side, events=events)) for side in sides]

            async def turn() -> Reading:
                few, many = [await cost(side, stage) for side, stage in zip(sides, stages, strict=True)]
                return slopes.reading(few, many, more=settings["many"] - settings["few"])

            def cost(side: Side, stage: Any) -> Coroutine[Any, Any, Cost]:
                return measure(side, stage, warm_up_seconds=sizes.warm_up_seconds, seconds=sizes.seconds)

            for number in self._rounds():
                await self._record(name, number, turn(), settings)

    async def _record(
        self, workload: str, number: int, reading: Coroutine[Any, Any, Reading], settings: Mapping[str, float]
    ) -> None:
        begun_at = datetime.now(UTC).isoformat(timespec="seconds")
        before = await asyncio.to_thread(machine.calibrate, self.sizes.calibration_seconds)
        read, wrong = None, None
        try:
            read = await reading
        except (Wrong, Unavailable) as error:
            wrong = str(error)
        after = await asyncio.to_thread(machine.calibrate, self.sizes.calibration_seconds)
        self.runs.append(
            Run(
                workload=workload,
                round=number,
                begun_at=begun_at,
                settings=dict(settings),
                before=before,
                after=after,
                reading=read,
                wrong=wrong,
            )
        )
        values = ", ".join(f"{name} {value:,.1f}" for name, value in (read.values if read else {}).items())
        self.on.console.say(f"{workload}, round {number}: {wrong or values}")
