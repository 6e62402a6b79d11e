"""What `cartwheel flows test --coverage` says: the ways of each flow, and those that no timeline goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table

from agents.flow_files import FlowFile, PolicyFile, TimelineFile
from schemas.policy import Policy
from streams import coverage, policy_trial
from streams.coverage import EXIT, Coverage, Way
from streams.flowfile import locate
from streams.flowfile.places import Places
from streams.plugins import Name, Plugin
from streams.timeline import Timeline


class Covered(NamedTuple):
    """One flow file, or the policy, and how far its timelines go."""

    file: FlowFile | PolicyFile
    found: Coverage
    places: Places

    def line(self, way: Way) -> int:
        """Where a way stands."""
        if isinstance(self.file, PolicyFile):
            return self.places.of_rule(way.step, way.path)
        return self.places.of_exit(way.path) if way.step == EXIT else self.places.of_step(way.step, way.path)


def covered(
    files: Iterable[FlowFile | PolicyFile],
    timelines: Iterable[TimelineFile],
    *,
    policy: Policy,
    plugins: Mapping[Name, Plugin],
) -> list[Covered]:
    """Of every file that compiles; one without timelines covers nothing. A policy without any is not asked."""
    beside = {file.beside: file.timelines for file in timelines}
    return [
        Covered(file, found, locate(file.source, name=str(file.path)))
        for file in files
        if (found := _measured(file, beside.get(file.path), policy, plugins)) is not None
    ]


def _measured(
    file: FlowFile | PolicyFile,
    timelines: Sequence[Timeline] | None,
    policy: Policy,
    plugins: Mapping[Name, Plugin],
) -> Coverage | None:
    if isinstance(file, FlowFile):
        found = file.flow
        return None if found is None else coverage.measure(found, timelines or (), policy=policy, plugins=plugins)
    return None if file.policy is None or timelines is None else policy_trial.measure(file.policy, timelines)


def as_data(files: list[Covered]) -> dict[str, Any]:
    """The public result, see `docs/reference/flow-files.md`."""
    return {
        "percent": round(coverage.percent([one.found for one in files]), 1),
        "flows": [
            {
                "flow": one.found.flow.name,
                "file": str(one.file.path),
                "percent": round(coverage.percent([one.found]), 1),
                "ways": [
                    {"step": way.step, "way": way.name, "line": one.line(way), "times": times}
                    for way, times in one.found.times.items()
                ],
            }
            for one in files
        ],
    }


def as_shown(files: list[Covered]) -> RenderableType:
    """A line for each flow, and one for each way that nobody has gone."""
    table = Table(box=None, pad_edge=False)
    for heading in ("ways", "gone", "percent"):
        table.add_column(heading, justify="right")
    table.add_column("flow, and what no timeline reaches", overflow="fold")
    for one in files:
        ways, missing = len(one.found.times), one.found.missing
        lines = [
            one.found.flow.name,
            *(f"  {one.file.path}:{one.line(way)}: {way.step}, {way.name}" for way in missing),
        ]
        share = str(int(coverage.percent([one.found])))  # rounded down: 100 means all
        table.add_row(str(ways), str(ways - len(missing)), share, "\n".join(lines))
    return Group(table, f"{coverage.percent([one.found for one in files]):.1f} % of all ways")
