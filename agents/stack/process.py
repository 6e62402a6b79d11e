"""The programs of the local stack: started apart from the command that starts them, recognized later, stopped.

A process id alone proves nothing, because the system gives it to another program one day. So a process counts as ours
only if it began when we noted it did and its command line names our own folder.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

import psutil

SAME_START_SECONDS = 2.0
TAIL_BYTES = 4096
TAIL_LINES = 12
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A started process as it is noted down: id, when it began (seconds since the epoch), and a word of its command."""

    pid: int
    started_at: float
    marker: str

    def process(self) -> psutil.Process | None:
        """The live process, or `None` if it ended or its id now belongs to another program."""
        with contextlib.suppress(*_GONE):
            process = psutil.Process(self.pid)
            began_then = abs(process.create_time() - self.started_at) < SAME_START_SECONDS
            command = process.cmdline()
            # While a program is being replaced by another, as launchers do, it has no command line for a moment.
            ours = not command or self.marker in command
            if began_then and ours and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


def start(
    command: Sequence[str], *, marker: str, log: Path, folder: Path, environ: Mapping[str, str], user: int | None = None
) -> Running:
    """Start a program in a session of its own, so that it outlives this command and no Ctrl-C here reaches it.

    `marker` is one word of the command by which it is recognized later. The log of the run before is kept as `.1`.
    """
    if log.exists():
        log.replace(log.with_suffix(log.suffix + ".1"))
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    return Running(pid=child.pid, started_at=psutil.Process(child.pid).create_time(), marker=marker)


def carrying(marker: str) -> list[psutil.Process]:
    """The live processes whose command has this word: also one whose record was lost or never written."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(*_GONE):
            if marker in process.cmdline():
                found.append(process)
    return found


def working_in(folder: Path, *, name: str) -> Iterable[psutil.Process]:
    """Processes of this program name whose working folder is this one."""
    for process in psutil.process_iter():
        with contextlib.suppress(*_GONE, OSError):
            if process.name() == name and Path(process.cwd()) == folder.resolve():
                yield process


def stop(process: psutil.Process, *, ask_with: Signals, patience_seconds: float) -> bool:
    """Ask a process to end, and kill it if it does not within its patience. Returns whether asking was enough."""
    with contextlib.suppress(*_GONE):
        process.send_signal(ask_with)
        try:
            process.wait(patience_seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(patience_seconds)
            return False
    return True


def tail(log: Path) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return "(no log was written)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:]) or "(the log is empty)"
