"""The folder of one worker process: locked while it lives, with the local store of one log in it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.errors import Misconfigured


@contextmanager
def store_folder(
    root: Path, *, instance: str, incarnation: str, idle_ms_max: int, clock_ms: Callable[[], int]
) -> Iterator[Path]:
    """The folder for the local store of this log, held against other processes until the end.

    Stores of logs that were here before are removed: a store is only a copy, and one of another log would be taken for
    a part of this one. So is a store that nobody has written to for longer than `idle_ms_max`: the changelog may have
    forgotten since what was deleted. Raises Misconfigured if a worker of that name is running here.
    """
    own = root / instance
    own.mkdir(parents=True, exist_ok=True)
    lock = os.open(own / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Misconfigured(
            f"a worker named {instance!r} is running on this machine",
            next_step="give this one a name of its own with --instance",
        ) from None
    try:
        for other in own.iterdir():
            if other.is_dir() and (other.name != incarnation or clock_ms() - _written_at(other) > idle_ms_max):
                shutil.rmtree(other)
        (own / incarnation).mkdir(exist_ok=True)
        yield own / incarnation
    finally:
        os.close(lock)


def _written_at(store: Path) -> int:
    """When anything in it was last written to, by the clock of this machine."""
    return max(one.stat().st_mtime_ns for one in (store, *store.rglob("*"))) // 1_000_000
