"""The loop of intake: fetch, forward, await every acknowledgement, write progress, commit.

In this order, so that dying anywhere forwards some records again and never skips one; the worker drops what it has
seen. A partition that is given away stops being reported; its next owner goes on from the mark that was written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, KafkaError

from agents.errors import CartwheelError
from agents.intake.forwarding import Forwarding
from agents.intake.low_water import LowWater
from agents.intake.metrics import Metrics
from agents.kill_points import reached
from agents.outgoing import Outgoing
from agents.topic_reader import read_to_end
from schemas.codec import Undecodable, decode, encode
from schemas.command import Clock
from schemas.control import Progress
from schemas.topics import Topics

POLL_RECORDS_MAX = 2_000
SLICE_RECORDS = 250  # between two looks at heartbeats and acknowledgements
#: Progress is written so soon after something was forwarded, unless more is left; while nothing comes, less often.
SOON_SECONDS = 0.02

_log = logging.getLogger("cartwheel.intake")


class Loop(ConsumerRebalanceListener):  # type: ignore[misc]
    """One consumer, one producer, and the marks of the raw partitions that are ours now."""

    def __init__(
        self,
        kafka: str,
        topics: Topics,
        clock: Clock,
        metrics: Metrics,
        *,
        consumer: Any,
        asker: Any,
        producer: Any,
        forwarding: Forwarding,
    ) -> None:
        self._kafka, self._topics, self._clock, self._metrics = kafka, topics, clock, metrics
        self._consumer, self._asker, self._producer, self._forwarding = consumer, asker, producer, forwarding
        self._marks: dict[int, LowWater] = {}
        self._positions: dict[Any, int] = {}  # all below is acknowledged; the client's own run ahead of it
        self._committed: dict[Any, int] = {}
        self._assignments = 0  # how many there have been
        self._reached_end = False  # of all our partitions, when it was last asked for
        self._busy = asyncio.Lock()  # held while records are in hand: partitions are not given away meanwhile
        self._failure: BaseException | None = None

    async def run(self, stop: asyncio.Event, *, report_seconds: float) -> None:
        """The loop. What is in hand when `stop` comes is finished and committed."""
        taken_over, reported_at, report_at = 0, 0.0, 0.0
        while not stop.is_set():
            assignments, patience = self._assignments, max(0.0, report_at - time.monotonic())
            batches = await self._consumer.getmany(timeout_ms=int(patience * 1000) + 1, max_records=POLL_RECORDS_MAX)
            async with self._busy:
                if self._failure is not None:
                    raise self._failure
                if assignments != self._assignments:
                    continue  # polled across a rebalance: what came may be of partitions that were given away
                if taken_over != assignments:
                    await self._take_over()
                    taken_over = assignments
                    continue
                if batches:
                    await self._forward(batches)
                    if self._reached_end:
                        report_at = min(report_at, reported_at + SOON_SECONDS)
                # Asked even if nothing came, as records that no reader is shown move it too.
                self._positions = {partition: await self._consumer.position(partition) for partition in self._positions}
                if time.monotonic() >= report_at:
                    await self._report()
                    reported_at = time.monotonic()
                    report_at = reported_at + report_seconds
        async with self._busy:
            await self._report()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Say how far we are before the partitions are given away. The client swallows what is raised here."""
        async with self._busy:
            try:
                await self._report()
            except (KafkaError, CartwheelError) as error:
                self._failure = error
            self._marks, self._positions = {}, {}
            self._metrics.low_water_mark_lag.clear()
            self._metrics.lag.clear()
            self._assignments += 1

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Let the loop take them over before it takes a record of them."""
        self._assignments += 1

    async def _take_over(self) -> None:
        """Go to where the owner before us was, and learn what it has promised."""
        raw = sorted(self._consumer.assignment())
        marks = {partition.partition: LowWater(partition.partition) for partition in raw}
        if marks and self._clock == "live":
            await _restore(marks, self._kafka, self._topics)
        first, end = await self._asker.beginning_offsets(raw), await self._asker.end_offsets(raw)
        self._positions, self._committed = {}, {}
        for partition in raw:
            offset = await self._consumer.committed(partition)
            if offset is not None and not first[partition] <= offset <= end[partition]:
                held = f"it holds {first[partition]} to {end[partition]}"
                _log.error("%s: read up to %d, but %s; records are lost to us", partition, offset, held)
                offset = None
            # Also where there is nothing to go back to: a poll may have moved on already.
            self._positions[partition] = first[partition] if offset is None else offset
            self._consumer.seek(partition, self._positions[partition])
        self._marks = marks

    async def _forward(self, batches: Mapping[Any, Sequence[Any]]) -> None:
        out = Outgoing(self._producer)
        for records in batches.values():
            for start in range(0, len(records), SLICE_RECORDS):
                for record in records[start : start + SLICE_RECORDS]:
                    self._forwarding.take(record, out=out, marks=self._marks)
                await asyncio.sleep(0)
        handed = await out.hand_over()
        reached("forward_produced")
        await asyncio.gather(*handed)
        reached("forward_acknowledged")
        for partition in batches:
            self._marks[partition.partition].acknowledged()

    async def _report(self) -> None:
        """Write progress and commit, both for what is acknowledged."""
        if self._clock == "live" and self._positions:
            await self._write_progress()
        for partition, position in self._positions.items():
            behind = (self._consumer.highwater(partition) or position) - position
            self._metrics.lag.labels(partition.topic, partition.partition).set(max(0, behind))
        if self._positions != self._committed:
            await self._commit()

    async def _write_progress(self) -> None:
        """Say how far we are, ask how far there is to go, and if that is no further, say so at once."""
        written_at = await self._say_progress()
        reached("progress_written")
        if written_at < 0:
            return
        ends = await self._asker.end_offsets(list(self._positions))
        self._reached_end = all(position >= ends[partition] for partition, position in self._positions.items())
        for partition, end in ends.items():
            self._marks[partition.partition].asked(after=written_at, end=end)
        if self._reached_end:
            await self._say_progress()
        for number, mark in self._marks.items():
            self._metrics.low_water_mark_lag.labels(number).set((written_at - mark.through_at) / 1000)

    async def _say_progress(self) -> int:
        """The earliest of the append times, if there was more than one batch; -1 if a retry was told none."""
        out = Outgoing(self._producer)
        for partition, position in self._positions.items():
            mark = self._marks[partition.partition]
            mark.forwarded_below(position)
            key = str(partition.partition).encode()
            out.add(self._topics.progress.name, 0, key=key, value=encode(mark.progress(position)))
        return min(written.appended_at for written in await asyncio.gather(*await out.hand_over()))

    async def _commit(self) -> None:
        try:
            await self._consumer.commit(self._positions)
            self._committed = self._positions
        except CommitFailedError as error:
            _log.warning("offsets were not committed, so some records will be forwarded again: %s", error)


async def _restore(marks: Mapping[int, LowWater], kafka: str, topics: Topics) -> None:
    """Bring marks to where the owners before us had them."""
    async for record in read_to_end(kafka, topics.progress):
        try:
            progress = decode(record.value or b"", Progress)
        except Undecodable as error:
            # A mark is soon found again; a lost watermark comes again with the next report of its source.
            _log.error("%s offset %d is passed over: %s", record.topic, record.offset, error)
            continue
        if progress.raw_partition in marks:
            marks[progress.raw_partition].restore(progress)
