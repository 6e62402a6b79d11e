"""The topics: one declaration of every Kafka topic, used to create them, to check them and to find their names.

Every topic takes the broker's append time as the time of its records. So retention and compaction lag count from when
a record arrived, whatever time it tells of (a replay of an old year is not deleted at once), and intake can read the
broker's clock from what it appends. Topics are made for a purpose, never for a tenant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal

NAMESPACE = "cartwheel"
DEFAULT_PARTITIONS = 32
MAX_MESSAGE_BYTES = 2 * 1024 * 1024

_HOUR_MS = 3_600_000
_PROGRESS_SEGMENT_BYTES = 8 * 1024 * 1024  # minutes of marks; every worker reads them all when it starts
_DAY_MS = 24 * _HOUR_MS

Cleanup = Literal["delete", "compact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. `purpose` is for the reader; the rest is what Kafka is asked for and must have."""

    name: str
    purpose: str
    partitions: int
    cleanup: Cleanup
    retention_ms: int | None = None
    """How long a record is kept at least; `None` for a compacted topic, which keeps the last record of each key."""
    min_compaction_lag_ms: int | None = None
    """How long a record is safe from compaction, so that a takeover can still see what it replaced."""
    delete_retention_ms: int | None = None
    """How long a tombstone stays. Who has not read the topic for longer must read it from its beginning."""
    segment_bytes: int | None = None
    """A smaller segment than the broker's; the newest is never compacted, and who reads it all reads it at least."""

    def config(self) -> Mapping[str, str]:
        """The declared settings by Kafka's own names. Settings not named here are the broker's business."""
        config = {
            "cleanup.policy": self.cleanup,
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        }
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        if self.min_compaction_lag_ms is not None:
            config["min.compaction.lag.ms"] = str(self.min_compaction_lag_ms)
        if self.delete_retention_ms is not None:
            config["delete.retention.ms"] = str(self.delete_retention_ms)
        if self.segment_bytes is not None:
            config["segment.bytes"] = str(self.segment_bytes)
        return config


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """All topics of one namespace. Those keyed by profile share one partition count, as the raw topic does."""

    raw: Topic
    progress: Topic
    profile_log: Topic
    profile_state: Topic
    definitions: Topic
    decisions: Topic
    commands: Topic
    receipts: Topic
    segments: Topic
    dead_letters: Topic

    def __iter__(self) -> Iterator[Topic]:
        return (getattr(self, field.name) for field in fields(self))


def topics(namespace: str = NAMESPACE, *, partitions: int = DEFAULT_PARTITIONS) -> Topics:
    """The declaration for a namespace: the first word of every name, so that several logs can share a broker.

    `partitions` is chosen once per log: keys map to partitions by it, so another count would split people in two.
    """

    def kept(word: str, days: int, purpose: str, *, count: int = partitions) -> Topic:
        return Topic(
            name=f"{namespace}.{word}.v1",
            purpose=purpose,
            partitions=count,
            cleanup="delete",
            retention_ms=days * _DAY_MS,
        )

    def compacted(word: str, purpose: str, *, count: int = 1, **more: int) -> Topic:
        return Topic(name=f"{namespace}.{word}.v1", purpose=purpose, partitions=count, cleanup="compact", **more)

    return Topics(
        raw=kept("raw", 7, "what connectors wrote, and their source watermarks"),
        progress=compacted(
            "progress", "how far intake has forwarded each raw partition", segment_bytes=_PROGRESS_SEGMENT_BYTES
        ),
        profile_log=kept("profile-log", 21, "the one ordered log that every decision depends on"),
        profile_state=compacted(
            "profile-state",
            "the state of each profile, partition records, and claims",
            count=partitions,
            min_compaction_lag_ms=_HOUR_MS,
            delete_retention_ms=7 * _DAY_MS,
        ),
        definitions=compacted("definitions", "the identity of the log, and compiled flows"),
        decisions=kept("decisions", 30, "every send and every non-send, with the reason"),
        commands=kept("commands", 7, "orders to senders: the public contract"),
        receipts=kept("receipts", 21, "what became of each command"),
        segments=kept("segments", 21, "who entered and left a segment"),
        dead_letters=kept("dead-letters", 21, "refused records: original bytes, reason, origin", count=1),
    )
