"""A worker alone on the measured core: when it was ready, what it uses, what it says of itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM

import psutil
from prometheus_client.parser import text_string_to_metric_families

from agents import stack
from agents.stack import process
from benchmarks.machine import pin_measured
from benchmarks.profile_log import clock_ms
from benchmarks.slot import STOP_SECONDS
from benchmarks.stage import Stage, Wrong

READY = "READY with partitions"
ASK_SECONDS = 0.02

Numbers = dict[str, float]
"""The samples of a metrics page: name, and labels in braces as the page has them."""


class Worker:
    """A process that has been started."""

    def __init__(self, *, spawned_at: int, child: subprocess.Popen[bytes], home: Path, log: Path) -> None:
        self.spawned_at = spawned_at
        self._child, self._home, self._log = child, home, log
        self._process = psutil.Process(child.pid)

    async def ready(self, *, patience_seconds: float) -> int:
        """When it said that it reads its partitions. Raises Wrong if it ends before, or takes longer than that."""
        deadline = time.monotonic() + patience_seconds
        while READY not in self._log.read_text():
            self.must_live()
            if time.monotonic() > deadline:
                raise Wrong(f"not ready after {patience_seconds:g} s\n{process.tail(self._log)}")
            await asyncio.sleep(ASK_SECONDS)
        return clock_ms()

    def must_live(self) -> None:
        """Raises Wrong if it has ended."""
        if self._child.poll() is not None:
            raise Wrong(f"the worker ended by itself\n{process.tail(self._log)}")

    def cpu_seconds(self) -> float:
        """Of all threads, so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def memory_mib(self) -> float:
        """What is resident now."""
        return float(self._process.memory_info().rss) / 2**20

    async def numbers(self) -> Numbers:
        """What its metrics page says now."""
        return await asyncio.to_thread(scrape, self._home)

    async def stop(self) -> None:
        """Ask it to end, which must be enough. Raises Wrong if it is not."""
        orderly = await asyncio.to_thread(process.stop, self._process, ask_with=SIGTERM, patience_seconds=STOP_SECONDS)
        if code := self._child.wait() or not orderly:
            raise Wrong(f"it ended with code {code}\n{process.tail(self._log)}")

    def kill(self) -> None:
        """As a power cut would."""
        self._child.kill()
        self._child.wait()


@asynccontextmanager
async def worker(stage: Stage, *options: str, flows: Path) -> AsyncIterator[Worker]:
    """`cartwheel worker` as it is shipped. Killed at the end if it still runs."""
    async with cartwheel(stage, "worker", "--flows", str(flows), *options) as running:
        yield running


@asynccontextmanager
async def cartwheel(stage: Stage, *words: str) -> AsyncIterator[Worker]:
    """Any command of ours on the measured core. Killed at the end if it still runs."""
    environ = {
        "CARTWHEEL_HOME": str(stage.folder),
        "CARTWHEEL_CACHE": str(stage.cache),
        "CARTWHEEL_KAFKA": stage.kafka,
        "CARTWHEEL_NAMESPACE": stage.namespace,
        "CARTWHEEL_PARTITIONS": str(stage.topics.profile_log.partitions),
    }
    async with started(stage, [sys.executable, "-m", "agents.cli", *words], environ) as running:
        yield running


@asynccontextmanager
async def started(stage: Stage, command: Sequence[str], environ: Mapping[str, str]) -> AsyncIterator[Worker]:
    """Any program on the measured core. Killed at the end if it still runs."""
    log = stage.folder / "output.log"
    running = Worker(spawned_at=clock_ms(), child=_start(command, environ, log=log), home=stage.folder, log=log)
    try:
        yield running
    finally:
        running.kill()


def _start(command: Sequence[str], environ: Mapping[str, str], *, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environ}, preexec_fn=pin_measured
        )


def scrape(home: Path) -> Numbers:
    """The metrics page of the worker of a home. Raises Wrong if there is none."""
    urls = [member.metrics_url for member in stack.members(home) if member.metrics_url]
    if not urls:
        raise Wrong("the worker has no metrics page")
    with urllib.request.urlopen(urls[0], timeout=10) as page:
        text = page.read().decode()
    return {
        sample.name + (str(sorted(sample.labels.items())) if sample.labels else ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(numbers: Numbers, name: str) -> float:
    """The sum over all labels of one metric."""
    return sum(value for sample, value in numbers.items() if sample.partition("[")[0] == name)
