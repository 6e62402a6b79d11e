"""Replays a file of events through flows: the real core, virtual time, no broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.replay_file import EventLine, RefusedLine, read_lines
from schemas.flow import Flow
from schemas.policy import NO_POLICY, Policy
from schemas.refusals import QUARANTINE
from streams.partition import Record
from streams.plugins import NO_PLUGINS, Name, Plugin
from streams.rehearsal import Rehearsal, watermark_record
from streams.summary import summarize

RECORDS_AT_ONCE = 5000


@dataclass(kw_only=True)
class Replayed:
    """What came of it."""

    rehearsal: Rehearsal
    flows: list[str]
    events: int = 0
    watermarks: int = 0
    refused: list[RefusedLine] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """The public result, see `docs/reference/replay.md`."""
        tallies = self.rehearsal.tallies
        reasons = Counter(line.refused.reason for line in self.refused)
        reasons.update(one.reason for one in self.rehearsal.dead_letters if one.reason not in QUARANTINE)
        return {
            "flows": summarize(tallies, self.flows),
            "events": self.events,
            "watermarks": self.watermarks,
            "duplicates": tallies[("event", "duplicate")] + tallies[("event", "conflict")],
            "conflicts": tallies[("event", "conflict")],
            "refused": dict(sorted(reasons.items())),
        }


def replay(
    flows: Iterable[Flow],
    path: Path,
    *,
    policy: Policy = NO_POLICY,
    plugins: Mapping[Name, Plugin] = NO_PLUGINS,
    progress: Callable[[int], None] | None = None,
) -> Replayed:
    """Feed every line of the file, then let time run until no timer is pending.

    `progress` is told how many bytes have been read. A line that cannot be taken is kept in `refused` and the rest goes
    on. Raises `InputRefused` if the file cannot be read, `DuplicateFlow` if two flows have one name.
    """
    flows = list(flows)
    done = Replayed(
        rehearsal=Rehearsal(flows, policy=policy, plugins=plugins),
        flows=[flow.name for flow in flows if flow.status == "live"],
    )
    records: list[Record] = []
    for line in read_lines(path, progress=progress):
        if isinstance(line, RefusedLine):
            done.refused.append(line)
            continue
        if isinstance(line, EventLine):
            offset = done.events + done.watermarks
            records.append(Record(offset, line.arrived_at, line.accepted.key, line.accepted.value))
            done.events += 1
        else:
            done.watermarks += 1
            records.append(watermark_record(line.watermark, at=line.arrived_at))
        if len(records) == RECORDS_AT_ONCE:
            done.rehearsal.feed(records)
            records = []
    done.rehearsal.feed(records)
    done.rehearsal.finish()
    return done
