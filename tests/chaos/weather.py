"""What every storm is made of: traffic, workers that are started again whenever they end, and a verdict at the end."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from tests.e2e.processes import PATIENCE_SECONDS, Process
from tests.integration.engine_rig import Rig
from tests.integration.engine_verdict import Verdict

FOREVER_SECONDS = 3600.0


class Kept:
    """A worker that is started again whenever it has ended, as an init system would. Made by `Weather.keep`.

    `armed` is the kill point of the next life, `wipe` how likely the disk goes with a life, `away_seconds` how long at
    most it takes until the next one begins.
    """

    def __init__(self, weather: Weather, instance: str, options: tuple[str, ...], *, wipe: float) -> None:
        self.process: Process
        self.armed, self.wipe, self.away_seconds = "", wipe, 0.0
        self.between: Callable[[], object] = lambda: None
        self.ended_last: Process
        self._weather, self._instance, self._options = weather, instance, options
        self._begun = asyncio.Event()
        self._keeping: asyncio.Task[None]

    async def begin(self) -> None:
        """The first life."""
        await self._live()
        self._keeping = asyncio.create_task(self._keep())

    async def until_ready(self) -> None:
        """Wait until a life of it is ready; one or another may end before."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.process.is_ready():
                await asyncio.sleep(0.05)
                if self._keeping.done():
                    self._keeping.result()  # raises what went wrong

    async def next_life(self, seconds: float = FOREVER_SECONDS) -> bool:
        """Wait until this life has ended and the next one has begun; false if it still goes on after so long."""
        self._begun.clear()
        begun = asyncio.create_task(self._begun.wait())
        await asyncio.wait([begun, self._keeping], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if self._keeping.done():
            self._keeping.result()  # raises what went wrong
        return self._begun.is_set()

    async def kill(self) -> None:
        """kill -9, and on with the next life."""
        await asyncio.gather(self.next_life(), self.process.kill())

    async def stop(self) -> None:
        """SIGTERM, and on with the next life."""
        await asyncio.gather(self.next_life(), self.process.stop())

    async def end(self) -> int | None:
        """SIGTERM, and no more lives."""
        self.let_go()
        return await self.process.stop()

    def let_go(self) -> None:
        """No more lives; this one goes on."""
        self._keeping.cancel()

    async def _live(self) -> None:
        kill, self.armed = self.armed, ""
        self.process = await self._weather.rig.worker(self._instance, *self._options, kill=kill)
        self._begun.set()

    async def _keep(self) -> None:
        weather = self._weather
        while True:
            code = await self.process.ended(FOREVER_SECONDS)
            self.ended_last = self.process
            weather.died[_epitaph(self.process, code)] += 1
            if weather.dice.random() < self.wipe:
                weather.rig.wipe(self._instance)
            self.between()
            await asyncio.sleep(weather.dice.uniform(0, self.away_seconds))
            await self._live()


class Weather:
    """A rig in a storm. `died` counts how lives ended, and what else was done."""

    def __init__(self, rig: Rig, dice: Random) -> None:
        self.rig, self.dice = rig, dice
        self.died: Counter[str] = Counter()
        self.kept: list[Kept] = []

    async def keep(self, instance: str = "one", *options: str, wipe: float = 0.0, armed: str = "") -> Kept:
        """Begin to keep a worker."""
        kept = Kept(self, instance, options, wipe=wipe)
        kept.armed = armed
        self.kept.append(kept)
        await kept.begin()
        return kept


Storm = Callable[[Weather], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one storm."""

    died: Counter[str]
    verdict: Verdict
    seconds: float
    drained_seconds: float

    def row(self) -> dict[str, object]:
        """For the table at the end of a run."""
        own = sum(count for what, count in self.died.items() if what.startswith("by itself"))
        killed = sum(count for what, count in self.died.items() if what.startswith(("killed", "at ")))
        others = {what: count for what, count in self.died.items() if what.startswith("broker")}
        verdict = self.verdict
        return {
            "killed": killed,
            "stopped": self.died["stopped"],
            "by itself": own,
            "brokers": sum(others.values()),
            "events": verdict.events,
            "ticks": verdict.ticks,
            "commands": verdict.commands,
            "repeated": verdict.repeated,
            "faults": verdict.faults() or 0,
            "drained s": round(self.drained_seconds),
            "s": round(self.seconds),
        }


async def storm_over(rig: Rig, storm: Storm, *, seed: int, per_second: float, profiles: int = 1000) -> Outcome:
    """Run a storm under traffic, let what is kept alive drain everything, and judge."""
    began = time.monotonic()
    weather = Weather(rig, Random(seed))
    traffic = rig.traffic(seed=seed, events=10_000_000, per_second=per_second, profiles=profiles)
    writing = asyncio.create_task(traffic.run())
    try:
        await storm(weather)
        traffic.enough()
        calm = time.monotonic()
        await rig.drained()
        drained_seconds = time.monotonic() - calm
        await asyncio.gather(*(kept.end() for kept in weather.kept))
    finally:
        writing.cancel()
        for kept in weather.kept:
            kept.let_go()
    verdict = await rig.judge()
    return Outcome(
        died=weather.died, verdict=verdict, seconds=time.monotonic() - began, drained_seconds=drained_seconds
    )


def _epitaph(process: Process, code: int | None) -> str:
    if process.killed_at and code == -9:
        return f"at {process.killed_at}"
    if code == -9:
        return "killed" if process.is_ready() else "killed before ready"
    if code in (0, -15):  # the latter before it could hear
        return "stopped"
    return f"by itself: {code} {process.lines[-1] if process.lines else ''}"
