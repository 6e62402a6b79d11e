"""Cartwheel's commands as real processes: those that end, with what they said, and those that run until killed.

Every process is started by the test and ended by its own id.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agents.kill_points import VARIABLE
from agents.settings import is_free

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0
#: What a process says when it does its work.
READY = {
    "intake": "intake: running",
    "worker": " READY ",
    "dispatcher": "dispatcher: READY",
    "run": " READY with partitions",
    "demo": '{"records":',
}
#: Below the ports that the kernel hands out by itself, above those that Cartwheel takes by default.
PORTS = range(15_000, 32_000)


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one JSON object on standard output."""
        return json.loads(self.out)


async def cartwheel(*arguments: str, environ: Mapping[str, str] | None = None) -> Done:
    """Run a command to its end."""
    process = await _start(arguments, environ or {}, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    return next(port for port in iter(lambda: random.choice(PORTS), 0) if is_free(port))


class Process:
    """A running command. `lines` is everything it has said; `killed_at` the kill point that struck, or empty."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.lines: list[str] = []
        self.killed_at = ""
        self._process = process
        self._ready = asyncio.Event()
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, name: str, *arguments: str, environ: Mapping[str, str], kill: str = "") -> Process:
        """`cartwheel NAME ARGUMENTS`, with a kill point (`NAME:PROBABILITY`) if one is given."""
        own = {VARIABLE: kill, f"CARTWHEEL_METRICS_PORT_{name.upper()}": str(free_port())}
        process = await _start((name, *arguments), {**environ, **own}, stderr=asyncio.subprocess.STDOUT)
        return cls(name, process)

    async def until_ready(self) -> None:
        """Wait until it says that it works; fails if it ends instead."""
        waits = [asyncio.create_task(wait) for wait in (self._process.wait(), self._ready.wait())]
        await asyncio.wait(waits, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        assert self._ready.is_set(), self.last_words()

    def is_running(self) -> bool:
        """Has it not ended?"""
        return self._process.returncode is None

    def is_ready(self) -> bool:
        """Has it ever said that it works?"""
        return self._ready.is_set()

    @property
    def pid(self) -> int:
        """Of the process itself; it has no children."""
        return self._process.pid

    def has_failed(self) -> bool:
        """Has it ended other than by being told or killed?"""
        return self._process.returncode not in (None, 0, -signal.SIGKILL)

    async def ended(self, seconds: float = PATIENCE_SECONDS) -> int | None:
        """Its exit code, negative for a signal; None if it still runs after so long."""
        try:
            async with asyncio.timeout(seconds):
                code = await self._process.wait()
                await self._listener
                return code
        except TimeoutError:
            return None

    async def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Ask it to end; the exit code, None if it had to be killed."""
        self.signal(number)
        code = await self.ended(60)
        if code is None:
            await self.kill()
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal if it still runs."""
        if self.is_running():
            self._process.send_signal(number)

    def last_words(self) -> str:
        """For the message of a test that failed."""
        return "\n".join([f"{self.name} (code {self._process.returncode}) said last:", *self.lines[-15:]])

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.lines.append(line)
            if READY[self.name] in line:
                self._ready.set()
            elif line.startswith("KILL POINT "):
                self.killed_at = line.split()[2]


async def _start(arguments: tuple[str, ...], environ: Mapping[str, str], *, stderr: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agents.cli", *arguments, env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=stderr,
    )  # fmt: skip
