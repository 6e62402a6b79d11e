"""How the engine is set: every value it needs, checked by whoever reads settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """One worker process as Kafka and the local disk see it."""

    kafka: str
    """Bootstrap servers, `host:port[,host:port]`."""
    group: str
    """The consumer group; every worker of a namespace is in the same one."""
    instance: str | None
    """Static membership: a process that comes back under this name gets its partitions back without a rebalance. No
    two live processes of a group may share one. `None`: an ordinary member, which leaves when it stops."""
    folder: Path
    """Of this process alone; holds the local store."""
    log_topic: str
    state_topic: str
    partitions: int
    """Partitions of both topics."""
    session_seconds: float = 30.0
    """A worker that is silent for so long loses its partitions. Heartbeats come at a tenth of it."""
    poll_records: int = 1_500
    """Records in a fetched batch at most, which is what one unit of work holds the event loop for: some 20 ms. More of
    them write fewer states, as who has several events in a batch is written once."""

    @property
    def produce_seconds(self) -> float:
        """How long one produce request may take before it is tried again; well below the session."""
        return max(2.0, self.session_seconds / 3)
