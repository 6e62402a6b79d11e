"""What a worker tells of itself: read by its metrics and probes, and by `cartwheel status` from its page.

Made on the event loop's thread, whole, and never changed afterwards, so that any other thread may read it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Phase = Literal["starting", "recovering", "working", "stopping"]


class PartitionReport(msgspec.Struct, kw_only=True, frozen=True):
    """One owned partition. `None` is what nobody knows yet."""

    partition: int
    position: int
    epoch: int
    lag_records: int | None
    lag_seconds: float | None
    uncommitted_records: int
    committed_age_seconds: float
    profiles: int
    timers_pending: int
    timers_overdue: int
    oldest_due_seconds: float
    through_lag_seconds: float
    clock_skew_seconds: float
    stopped: str | None
    activation: int = -1


class SourceReport(msgspec.Struct, kw_only=True, frozen=True):
    """A source that gates ask for. Of the partitions owned, the one that knows least of it."""

    source: str
    complete_through_at: int | None
    """None: somewhere nothing has been said yet."""
    age_seconds: float | None
    held: int
    """People at a gate that asks for it, in all of these partitions."""


class WorkerReport(msgspec.Struct, kw_only=True, frozen=True):
    """One worker process."""

    instance: str = ""
    namespace: str = ""
    phase: Phase = "starting"
    partitions: tuple[PartitionReport, ...] = ()
    timers_pending: dict[str, int] = {}
    """By flow."""
    recovery_remaining_records: int = 0
    recovery_seconds: float = 0.0
    """Of the recovery under way, else of the last one."""
    low_water_lag_seconds: float | None = None
    """How old intake's mark is; without a fresh one no timer is released. None on a carried clock, or before one."""
    offset_gaps: int = 0
    sources: tuple[SourceReport, ...] = ()
    """By name. None on a carried clock, on which a source is as late as the data say."""

    def why_not_ready(self) -> list[str]:
        """What is missing for readiness; nothing if the worker is ready."""
        match self.phase:
            case "starting":
                return ["it has not been given partitions yet"]
            case "recovering":
                remaining = self.recovery_remaining_records
                return [f"it is recovering: {f'{remaining} changelog records remain' if remaining else 'almost done'}"]
            case "stopping":
                return ["it is stopping"]
        return [] if self.partitions else ["it owns no partition: there are more workers than partitions"]
