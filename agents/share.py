"""The share of a topic that one process takes into PostgreSQL: committed once taken, or refused record by record."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aiokafka.errors import CommitFailedError, IllegalStateError
from prometheus_client import Counter, Gauge

from agents.topics_admin import removed
from agents.version import program_version
from schemas import codec
from schemas.dead_letter import attempt_of, letter

REASON = "undecodable"

Stage = Literal["dispatcher", "projector"]

_log = logging.getLogger("cartwheel.share")


class Share:
    """What a reading loop does with its consumer, which it sets once there is one."""

    def __init__(
        self,
        stage: Literal["dispatcher", "projector"],
        *,
        producer: Any,
        dead_letters: str,
        refused: Counter,
        lag: Gauge,
    ) -> None:
        self.consumer: Any = None
        self._stage: Literal["dispatcher", "projector"] = stage
        self._producer, self._dead_letters = producer, dead_letters
        self._refused, self._lag = refused, lag
        self._reported: set[Any] = set()

    async def commit(self, batches: Mapping[Any, Sequence[Any]]) -> None:
        """These are done with."""
        try:
            await self.consumer.commit({partition: records[-1].offset + 1 for partition, records in batches.items()})
        except (CommitFailedError, IllegalStateError) as error:
            # The partition was given to another process, which reads the batch again and finds it in the database.
            _log.warning("offsets were not committed: %s", error)

    async def refuse(self, record: Any, detail: str) -> None:
        """A record that cannot be read becomes a dead letter."""
        kept = letter(
            reason=REASON,
            detail=detail,
            stage=self._stage,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            refused_at=time.time_ns() // 1_000_000,
            appended_at=record.timestamp,
            version=program_version(),
            attempt=attempt_of(record.headers),
        )
        await self._producer.send_and_wait(self._dead_letters, codec.encode(kept), key=kept.key)
        self._refused.labels(self._stage, REASON).inc()
        _log.warning("%s/%d offset %d: %s", record.topic, record.partition, record.offset, detail)

    async def report_lag(self) -> None:
        """How many records wait on each partition. Raises what says so when the topic is gone."""
        assigned = self.consumer.assignment()
        ends = await self.consumer.end_offsets(assigned) if assigned else {}
        if not assigned and (gone := self.consumer.subscription() - await self.consumer.topics()):
            raise removed(*gone)
        if set(ends) != self._reported:
            self._lag.clear()
            self._reported = set(ends)
        for partition, end in ends.items():
            behind = end - await self.consumer.position(partition)
            self._lag.labels(partition.topic, str(partition.partition)).set(behind)
