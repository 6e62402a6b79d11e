"""Results: what a comparison was told, what it measured, and the ratios that follow. Kept as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec.structs import replace

from benchmarks.machine import Calibration
from benchmarks.slot import Slot
from benchmarks.traffic import KINDS, Kind

OURS = "cartwheel"
PEER = "faust-tuned"  # the one without which a run says nothing
FOLDER = Path(__file__).parent / "results"
LATEST = FOLDER / "latest.json"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare. The log is long enough for `events_per_second_max` over a whole slot."""

    traffics: tuple[Kind, ...]
    systems: tuple[str, ...]
    rounds: int
    warm_up_seconds: float
    seconds: float
    calibration_seconds: float
    partitions: int
    seed: int
    events_per_second_max: int
    jvm_warm_up_seconds: float = 60.0

    @property
    def events(self) -> int:
        """How many events the log holds."""
        # A slot ends at a commit, so it may be some seconds longer than asked for.
        return int((self.warm_up_seconds + self.seconds + 3) * self.events_per_second_max)


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of one system; `slot` is absent when it was wrong, and then there is no number."""

    round: int
    traffic: Kind
    system: str
    before: Calibration
    after: Calibration
    slot: Slot | None = None
    wrong: str | None = None


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The median of some rounds, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median=median(values), low=min(values), high=max(values))


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One system under one traffic. `ratio`: its CPU per event over ours, round by round.

    Bytes of the changelog are those of keys and values before compression, over the whole slot.
    """

    traffic: Kind
    system: str
    us_per_event: Spread
    events_per_core_second: Spread
    events_per_second: Spread
    changelog_bytes_per_event: Spread | None
    ratio: Spread | None


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a reader needs to judge the numbers, and to run the same again."""

    schema: str = "cartwheel.benchmark.v1"
    begun_at: str
    machine: dict[str, Any]
    broker_pinned: bool
    config: Config
    systems: dict[str, str]
    played: tuple[Played, ...]
    versions: dict[str, dict[str, str]] = {}
    """Of the systems that live in environments of their own."""
    left_out: dict[str, str] = {}
    """Systems that could not be set up here, and why."""
    earlier: dict[Kind, str] = {}
    """Traffics whose turns are those of a run before, and when it was begun."""

    def rows(self) -> list[Row]:
        """The table: every system that has a number, in the order in which they were asked for."""
        return [
            row
            for traffic in self.config.traffics
            for system in self.config.systems
            if (row := self._row(traffic, system)) is not None
        ]

    def _row(self, traffic: Kind, system: str) -> Row | None:
        slots, ours = self._slots(traffic, system), self._slots(traffic, OURS)
        if not slots:
            return None
        written = [
            slot.did["changelog_bytes"] / slot.did["events"] for slot in slots.values() if "changelog_bytes" in slot.did
        ]
        ratios = [slots[r].us_per_event / ours[r].us_per_event for r in slots.keys() & ours.keys()]
        return Row(
            traffic=traffic,
            system=system,
            us_per_event=Spread.of([slot.us_per_event for slot in slots.values()]),
            events_per_core_second=Spread.of([slot.events / slot.cpu_seconds for slot in slots.values()]),
            events_per_second=Spread.of([slot.events / slot.wall_seconds for slot in slots.values()]),
            changelog_bytes_per_event=Spread.of(written) if written else None,
            ratio=Spread.of(ratios) if ratios else None,
        )

    def _slots(self, traffic: Kind, system: str) -> dict[int, Slot]:
        return {
            one.round: one.slot
            for one in self.played
            if one.traffic == traffic and one.system == system and one.slot is not None
        }


def joined(before: Results, after: Results) -> Results:
    """A new run, with the turns of those traffics that only the one before it has played, on the same machine, by the
    same settings and versions. Each traffic is compared with itself, so that they need not be played in one go, nor by
    the same systems.
    """
    missing = [traffic for traffic in before.config.traffics if traffic not in after.config.traffics]
    told = [(replace(one.config, traffics=(), systems=()), one.machine) for one in (before, after)]
    alike = all(
        before.versions[name] == after.versions[name] for name in before.versions.keys() & after.versions.keys()
    )
    if not missing or told[0] != told[1] or not alike:
        return after
    return replace(
        after,
        config=replace(
            after.config,
            traffics=tuple(kind for kind in KINDS if kind in {*missing, *after.config.traffics}),
            systems=tuple(dict.fromkeys((*before.config.systems, *after.config.systems))),
        ),
        systems=before.systems | after.systems,
        versions=before.versions | after.versions,
        played=(*(one for one in before.played if one.traffic in missing), *after.played),
        earlier={traffic: before.earlier.get(traffic, before.begun_at) for traffic in missing},
    )


def save(results: Results, path: Path) -> None:
    """As JSON for people and programs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def read(path: Path) -> Results:
    """What `save` has written. Raises msgspec.ValidationError for anything else."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
