"""The processes of Cartwheel that run from one home: each announces itself, and `status` lists those that live."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from agents.errors import Unavailable
from agents.stack.process import Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One announced process: what it is (`worker`), its metrics page if it has one, and how to recognize it."""

    name: str
    metrics_url: str | None
    running: Running


@contextmanager
def announced(home: Path, name: str, *, metrics_url: str | None = None) -> Iterator[None]:
    """While the body runs, `cartwheel status` lists this process. One that is killed drops out by itself.

    Raises `Unavailable` if the home cannot be written to: this is the first that a process writes there.
    """
    this = psutil.Process()
    running = Running(pid=this.pid, started_at=this.create_time(), marker=this.cmdline()[0])
    note = home / "processes" / f"{name}-{os.getpid()}.json"
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_bytes(msgspec.json.encode(Member(name=name, metrics_url=metrics_url, running=running)))
    except OSError as error:
        raise Unavailable(
            f"{home} cannot be written to ({error})",
            next_step="see that its disk has room, or set CARTWHEEL_HOME to another folder",
        ) from error
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def members(home: Path) -> list[Member]:
    """The announced processes that are alive, by name; notes that killed ones left are removed."""
    found = []
    for note in sorted((home / "processes").glob("*.json")):
        try:
            member = msgspec.json.decode(note.read_bytes(), type=Member)
        except (FileNotFoundError, msgspec.DecodeError):
            continue
        if member.running.process() is None:
            note.unlink(missing_ok=True)
        else:
            found.append(member)
    return found
