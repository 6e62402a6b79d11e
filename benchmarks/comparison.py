"""A comparison: systems in turn on the same log, round after round, with the core's speed taken between them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from msgspec.structs import replace

from agents import stack, topics_admin
from agents.console import Console
from agents.errors import Unavailable
from agents.settings import Settings
from benchmarks import machine, profile_log
from benchmarks.results import Config, Played, Results
from benchmarks.slot import play
from benchmarks.stage import Stage, System, Wrong
from benchmarks.systems import SYSTEMS
from benchmarks.traffic import Kind
from schemas.topics import topics


def compare(config: Config, settings: Settings, *, console: Console, must_have_all: bool) -> Results:
    """Run everything on a broker of its own, which is gone afterwards.

    Raises Misconfigured on a machine that is not fit for it, Unavailable when the broker does not start, or a system
    cannot be set up and all are wanted; otherwise that one is left out.
    """
    machine.pin_driver()
    # Beside the home of the broker, which is emptied before and after a run.
    wanted = {name: SYSTEMS[name] for name in config.systems}
    versions, left_out = set_up(wanted, settings.home.parent / "peers", console, must_have_all=must_have_all)
    config = replace(config, systems=tuple(name for name in config.systems if name in versions))
    begun_at = datetime.now(UTC).isoformat(timespec="seconds")
    quiet = Console(as_json=True)
    stack.down(settings, console=quiet)  # of a run that was killed
    shutil.rmtree(settings.home)
    try:
        kafka = stack.up(settings, console=console).kafka
        broker_pinned = _broker_is_pinned(settings)
        played = asyncio.run(_Comparison(config, settings, kafka, console).run())
    finally:
        stack.down(settings, console=quiet)
        shutil.rmtree(settings.home)
    return Results(
        begun_at=begun_at,
        machine=machine.describe(),
        broker_pinned=broker_pinned,
        config=config,
        systems={name: SYSTEMS[name].about for name in config.systems},
        played=tuple(played),
        versions={name: dict(found) for name, found in versions.items() if found},
        left_out=left_out,
    )


def set_up(
    systems: Mapping[str, System], folder: Path, console: Console, *, must_have_all: bool
) -> tuple[dict[str, Mapping[str, str]], dict[str, str]]:
    """Let every system build what it needs: the versions of those that could, and what was wrong with the others."""
    versions: dict[str, Mapping[str, str]] = {}
    left_out: dict[str, str] = {}
    for name, system in systems.items():
        try:
            versions[name] = system.set_up(folder, console)
        except Unavailable as error:
            if must_have_all:
                raise
            left_out[name] = f"{error.message}; {error.next_step}"
            console.say(f"{name} is left out: {left_out[name]}")
    return versions, left_out


@dataclass(frozen=True, slots=True)
class _Comparison:
    config: Config
    settings: Settings
    kafka: str
    console: Console

    async def run(self) -> list[Played]:
        played = []
        for traffic in self.config.traffics:
            stage = await self._set(traffic)
            before = machine.calibrate(self.config.calibration_seconds)
            for number in range(1, self.config.rounds + 1):
                for name in self.config.systems:
                    turn = await self._turn(stage, traffic, name, number=number, before=before)
                    before = turn.after
                    played.append(turn)
        return played

    async def _set(self, traffic: Kind) -> Stage:
        """Write the log and read it back."""
        config, namespace = self.config, f"bench-{traffic}"
        declared = topics(namespace, partitions=config.partitions)
        await topics_admin.apply(self.kafka, declared, clock="live")
        self.console.say(f"{traffic}: writing {config.events:,} events")
        await profile_log.write(self.kafka, declared, kind=traffic, events=config.events, seed=config.seed)
        self.console.say(f"{traffic}: reading them back for the reference")
        return Stage(
            kafka=self.kafka,
            topics=declared,
            namespace=namespace,
            cache=self.settings.cache,
            folder=self.settings.home / "measured",
            references=await profile_log.read(self.kafka, declared),
            jvm_warm_up_seconds=config.jvm_warm_up_seconds,
        )

    async def _turn(
        self, stage: Stage, traffic: Kind, name: str, *, number: int, before: machine.Calibration
    ) -> Played:
        slot, wrong = None, None
        try:
            slot = await play(
                SYSTEMS[name], stage, warm_up_seconds=self.config.warm_up_seconds, seconds=self.config.seconds
            )
            self.console.say(f"{traffic}, round {number}, {name}: {slot.us_per_event:.1f} us of CPU per event")
        except (Wrong, Unavailable) as error:
            wrong = str(error)
            self.console.say(f"{traffic}, round {number}, {name}: no number, {wrong}")
        after = machine.calibrate(self.config.calibration_seconds)
        return Played(round=number, traffic=traffic, system=name, before=before, after=after, slot=slot, wrong=wrong)


def _broker_is_pinned(settings: Settings) -> bool:
    pids = [service.pid for service in stack.status(settings) if service.name == "kafka"]
    return all(pid is not None and machine.is_pinned(psutil.Process(pid), core=machine.DRIVER_CORE) for pid in pids)
