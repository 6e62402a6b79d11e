"""`stack.json`: what `up` started, so that a later command finds it, reports it and stops it and nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from agents.stack.process import Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One service: its address and ports, which a restart takes again if it can, and its process unless stopped."""

    address: str
    ports: tuple[int, ...]
    running: Running | None = None

    def process(self) -> psutil.Process | None:
        """The live process of this service, or `None`."""
        return self.running.process() if self.running else None


def read(home: Path) -> dict[str, Noted]:
    """What is noted, by service name. A missing or damaged file reads as empty: `up` then looks for strays."""
    try:
        return msgspec.json.decode((home / "stack.json").read_bytes(), type=dict[str, Noted])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def write(home: Path, noted: dict[str, Noted]) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    fresh = home / f"stack.json.{os.getpid()}"
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(noted), indent=2))
    fresh.replace(home / "stack.json")
