"""One slot: a system from its start to its end, measured between two of its own commits.

Both edges of the measured time are moments at which the group's committed positions had just changed. So what is in
flight beyond them is the same at both, and nothing has to be built into what is measured.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

import msgspec
import psutil

from agents.stack import process
from benchmarks.broker import admin, committed, rewind
from benchmarks.machine import CoreTime, pin_measured
from benchmarks.stage import Positions, Stage, System, Wrong

POLL_SECONDS = 0.05
START_SECONDS = 60.0
STOP_SECONDS = 60.0
EXHAUSTED = "it read the log to its end; write more events"


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured. `foreign_share`: how much of the core others used meanwhile, the kernel included."""

    events: int
    wall_seconds: float
    cpu_seconds: float
    foreign_share: float
    memory_mib: float
    did: dict[str, int]

    @property
    def us_per_event(self) -> float:
        """CPU microseconds per event, all threads."""
        return self.cpu_seconds / self.events * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    at: float
    cpu: float
    core: CoreTime
    positions: Positions


class _Watch:
    """Follows the commits of one group while its process runs."""

    def __init__(self, client: Any, running: psutil.Process, *, stage: Stage, group: str) -> None:
        self._client, self._running, self._stage, self._group = client, running, stage, group
        self._before: dict[int, int] = {}

    async def positions(self) -> dict[int, int]:
        """Where the group is."""
        return await committed(self._client, self._group, self._stage.topics.profile_log.name)

    async def begin(self) -> None:
        """Remember where it begins."""
        self._before = await self.positions()

    async def edge(self, *, patience_seconds: float) -> _Edge:
        """Wait for the next commit."""
        deadline = time.monotonic() + patience_seconds
        while (positions := await self.positions()) == self._before:
            if not self._running.is_running() or self._running.status() == psutil.STATUS_ZOMBIE:
                raise Wrong("the process ended by itself")
            if self._stage.is_exhausted(positions):
                raise Wrong(EXHAUSTED)
            if time.monotonic() > deadline:
                raise Wrong(f"nothing was committed for {patience_seconds:g} s")
            await asyncio.sleep(POLL_SECONDS)
        self._before = positions
        times = self._running.cpu_times()
        used = times.user + times.system
        return _Edge(at=time.monotonic(), cpu=used, core=CoreTime.now(), positions=positions)

    async def edge_after(self, seconds: float) -> _Edge:
        """The first commit after so long."""
        await asyncio.sleep(seconds)
        await self.begin()
        return await self.edge(patience_seconds=START_SECONDS)


async def play(system: System, stage: Stage, *, warm_up_seconds: float, seconds: float) -> Slot:
    """Start the system on an empty stage, warm it up, measure, stop it, and check what it did. Raises Wrong."""
    stage.clear()
    await system.prepare(stage)
    await rewind(stage.kafka, system.group(stage), stage.topics.profile_log)
    async with admin(stage.kafka) as client:
        log = stage.folder / "output.log"
        try:
            async with _running(system, stage, log=log) as running:
                watch = _Watch(client, running, stage=stage, group=system.group(stage))
                await watch.begin()
                await watch.edge(patience_seconds=START_SECONDS + stage.jvm_warm_up_seconds)
                first = await watch.edge_after(warm_up_seconds)
                last = await watch.edge_after(seconds)
                memory = running.memory_info().rss / 2**20
            if stage.is_exhausted(last.positions):
                raise Wrong(EXHAUSTED)
            did = await system.check(stage)
        except Wrong as error:
            raise Wrong(f"{error}\n{process.tail(log)}") from error
    wall, cpu = last.at - first.at, last.cpu - first.cpu
    return Slot(
        events=stage.events(last.positions) - stage.events(first.positions),  # positions only grow, so it is not 0
        wall_seconds=wall,
        cpu_seconds=cpu,
        foreign_share=max(0.0, (last.core.busy - first.core.busy - cpu) / wall),
        memory_mib=memory,
        did=did,
    )


@asynccontextmanager
async def _running(system: System, stage: Stage, *, log: Path) -> AsyncIterator[psutil.Process]:
    """The system's process, alone on the measured core; asked to stop at the end, and that must be enough."""
    child = _start(*system.command(stage), log=log)
    running = psutil.Process(child.pid)
    orderly = False
    try:
        yield running
    finally:
        orderly = await asyncio.to_thread(process.stop, running, ask_with=SIGTERM, patience_seconds=STOP_SECONDS)
        code = child.wait()
    if not orderly or code:
        raise Wrong(f"it ended with code {code}" if orderly else f"it did not stop within {STOP_SECONDS:g} s")


def _start(command: list[str], environ: dict[str, str], *, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environ}, preexec_fn=pin_measured
        )
