"""The stage: the log that is played, what must come of it, and what a system under test has to be able to do."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents.console import Console
from benchmarks.reference import Reference
from schemas.topics import Topics

EXAMPLES_MAX = 3

Positions = Mapping[int, int]  # partition: next offset


class Wrong(Exception):
    """A system did not do its job, or the slot was no measurement, so its number does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where slots are played. `folder` is empty before each of them."""

    kafka: str
    topics: Topics
    namespace: str
    cache: Path
    folder: Path
    references: Sequence[Reference]
    jvm_warm_up_seconds: float = 60.0
    """How long a JVM works before its slot, until its code is compiled."""

    def clear(self) -> None:
        """Remove what the slot before has left in the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def events(self, positions: Positions) -> int:
        """How many events lie before these positions."""
        return sum(self.references[number].events(at) for number, at in positions.items())

    def is_exhausted(self, positions: Positions) -> bool:
        """Whether some partition has been read to its end, so that the reader may have been idle."""
        return any(at >= self.references[number].end for number, at in positions.items())


class System(Protocol):
    """Something that reads the profile log and orders messages."""

    name: str
    about: str

    def set_up(self, folder: Path, console: Console) -> Mapping[str, str]:
        """Build in this folder what it needs and what is not there yet; returns its versions. Raises Unavailable."""

    def group(self, stage: Stage) -> str:
        """The consumer group under which it commits what it has processed."""

    async def prepare(self, stage: Stage) -> None:
        """Empty the topics that it writes."""

    def command(self, stage: Stage) -> tuple[list[str], dict[str, str]]:
        """The program to start, and what its environment must say."""

    async def check(self, stage: Stage) -> dict[str, int]:
        """What it did until it was stopped, in numbers. Raises Wrong if that is not what it should have done."""


def judge_commands(stage: Stage, positions: Positions, ordered: Counter[tuple[bytes, str]]) -> None:
    """Those of the prefix that was processed, each once, and no other: who was reminded of which checkout."""
    wanted = Counter(
        (due.key, due.checkout_id)
        for number, reference in enumerate(stage.references)
        for due in reference.commands(positions.get(number, 0))
    )
    _refuse("missing", wanted - ordered)
    _refuse("not wanted", ordered - wanted)


def equal(what: str, found: int, expected: int) -> None:
    """Raises Wrong if it is not."""
    if found != expected:
        raise Wrong(f"{what}: {found}, expected {expected}")


def _refuse(what: str, commands: Counter[tuple[bytes, str]]) -> None:
    if commands:
        examples = ", ".join(f"{key.decode()} {checkout}" for key, checkout in list(commands)[:EXAMPLES_MAX])
        raise Wrong(f"{commands.total()} commands {what}, such as {examples}")
