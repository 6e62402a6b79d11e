"""Runs Cartwheel's processes together on one machine: starts them, passes on what they say, stops them all.

A laptop's convenience, not a production supervisor: when one process ends, all are stopped, and nothing is restarted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

STOP_SECONDS = 30.0

Say = Callable[[str, str], None]  # (name of the process, one line that it wrote)


class Ended(NamedTuple):
    """A process that ended: its name and exit code, negative for a signal."""

    name: str
    code: int


class Crew:
    """The running processes. Made by `crew`."""

    def __init__(self, environ: Mapping[str, str], say: Say) -> None:
        self._environ, self._say = environ, say
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._listeners: list[asyncio.Task[None]] = []

    async def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start `cartwheel ARGUMENTS` as a process of its own, in a session of its own so that Ctrl-C is ours."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agents.cli", *arguments,
            env=dict(self._environ), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, start_new_session=True, limit=1 << 20,
        )  # fmt: skip
        self._processes[name] = process
        self._listeners.append(asyncio.create_task(self._listen(name, process)))

    async def first_end(self) -> Ended:
        """Wait until one of them ends."""
        waits = {asyncio.create_task(process.wait()): name for name, process in self._processes.items()}
        done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        task = next(iter(done))
        return Ended(waits[task], task.result())

    def running(self) -> int:
        """How many have not ended."""
        return sum(process.returncode is None for process in self._processes.values())

    async def stop(self) -> None:
        """Ask all to stop; whoever has not after 30 s is killed, which loses nothing."""
        for process in self._processes.values():
            _signal(process, signal.SIGTERM)
        waits = [asyncio.create_task(process.wait()) for process in self._processes.values()]
        if waits:
            await asyncio.wait(waits, timeout=STOP_SECONDS)
        for process in self._processes.values():
            _signal(process, signal.SIGKILL)
        await asyncio.gather(*waits, *self._listeners)

    async def _listen(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._say(name, line.decode(errors="replace").rstrip())


@asynccontextmanager
async def crew(environ: Mapping[str, str] | None = None, *, say: Say) -> AsyncIterator[Crew]:
    """A crew that is stopped at the end of the body, whatever happens in it."""
    members = Crew(os.environ if environ is None else environ, say)
    try:
        yield members
    finally:
        await members.stop()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
