"""How the engine is set: every value it needs, checked by whoever reads settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MIB = 1024 * 1024
#: Of all partitions of one process together. RocksDB would take 2 GiB of cache for each one.
_CACHE_BYTES = 512 * _MIB
_WRITE_BUFFER_BYTES = 256 * _MIB
_OPEN_FILES = 8192


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

    def store_options(self) -> dict[str, int]:
        """RocksDB options of one partition: its share of what the process may use."""
        return {
            "block_cache_size": _share(_CACHE_BYTES, self.partitions, low=4 * _MIB, high=64 * _MIB),
            "write_buffer_size": _share(_WRITE_BUFFER_BYTES // 2, self.partitions, low=2 * _MIB, high=16 * _MIB),
            "max_write_buffer_number": 2,
            "max_open_files": _share(_OPEN_FILES, self.partitions, low=32, high=1024),
            "bloom_filter_size": 10,
        }


def _share(total: int, parts: int, *, low: int, high: int) -> int:
    return max(low, min(high, total // parts))
