"""What goes into a partition and what comes out: records, outputs, snapshots. Everything that leaves is encoded."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

NO_TIME = -1  # of a record that brings the time of another clock than its log has


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of the profile log; `appended_at` is the broker's append time, or the carried one, or NO_TIME."""

    offset: int
    appended_at: int
    key: bytes
    value: bytes
    attempt: int = 1


class Outputs(NamedTuple):
    """What one unit of work says to the world. Nothing here may be dropped or reordered."""

    commands: list[tuple[bytes, bytes]]
    decisions: list[tuple[bytes, bytes]]
    dead_letters: list[tuple[bytes | None, bytes]]
    events: list[tuple[bytes, bytes]]  # of one's own, for intake
    tallies: Counter[tuple[str, ...]]
    latenesses: dict[str, list[int]]


class Snapshot(NamedTuple):
    """What all units of work since the snapshot before have made of the state: each profile once."""

    states: list[tuple[bytes, bytes]]
    partition_record: bytes
    position: int
