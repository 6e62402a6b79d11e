"""A worker as the tests see it: a real process of the real command, whose words are heard."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

READY_SECONDS = 60.0


class WorkerProcess:
    """Started by `start`; `lines` is everything it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []
        self.ready, self.killed_at = asyncio.Event(), ""
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, environ: Mapping[str, str], arguments: Sequence[str], *, kill: str = "") -> WorkerProcess:
        """`cartwheel worker ARGUMENTS`, with a kill point if one is named."""
        root = str(Path(__file__).parents[2])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "agents.cli", "worker", *arguments),
            env={**os.environ, **environ, "PYTHONPATH": root, "CARTWHEEL_KILL_POINT": kill},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return cls(process)

    async def until_ready(self) -> None:
        """Wait for READY; fails if the process ends instead."""
        ended = asyncio.create_task(self._process.wait())
        ready = asyncio.create_task(self.ready.wait())
        await asyncio.wait([ended, ready], timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        ready.cancel()
        assert self.ready.is_set(), "not ready:\n" + "\n".join(self.lines[-20:])

    async def ended(self, seconds: float) -> int | None:
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
        self._send(signal.SIGKILL)
        await self.ended(10)

    async def stop(self) -> int | None:
        """SIGTERM; the exit code, None if it had to be killed."""
        self._send(signal.SIGTERM)
        code = await self.ended(20)
        if code is None:
            await self.kill()
        return code

    def _send(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.lines.append(line)
            if " READY " in line:
                self.ready.set()
            elif line.startswith("KILL POINT "):
                self.killed_at = line.split()[2]
