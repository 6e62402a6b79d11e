"""The letters that wait for an operator: how many there are, and how old the oldest is, for whoever serves metrics.

Followed from the topic itself, because nobody writes or deals with all of them: three kinds of processes write letters,
and a command that comes and goes says what was done about them.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.dead_letters.shelf import decoded
from schemas.dead_letter import DeadLetter, DeadLetterAction
from schemas.refusals import QUARANTINE
from schemas.topics import Topic

#: Open letters that are remembered; some 30 MB.
OPEN_MAX = 100_000
#: Those dealt with last, as a worker that has crashed may write a letter for the second time.
DEALT_WITH_MAX = 10_000
POLL_MS = 500
POLL_RECORDS_MAX = 1_000

Name = tuple[str, int, int, str | None]


class Waiting(Collector):
    """The open letters of one partition, the oldest of them at least.

    Beyond the bound letters are passed over, until all before them are dealt with; then they are read again.
    """

    def __init__(
        self,
        *,
        kept_ms: int,
        open_max: int = OPEN_MAX,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`kept_ms` is how long the topic keeps a letter."""
        self._kept_ms, self._open_max, self._clock_ms = kept_ms, open_max, clock_ms
        self._open: dict[Name, int] = {}  # when each was written, by the broker's clock
        self._dealt_with: OrderedDict[Name, None] = OrderedDict()
        self._passed_over: int | None = None  # offset of the first of them
        self.is_known = False
        """Whether the topic has been read to its end."""

    def take(self, value: bytes, *, offset: int, written_at: int) -> None:
        """A record of the topic, in the order of offsets. What is neither letter nor action is passed over."""
        found = decoded(value)
        if isinstance(found, DeadLetter):
            if found.reason not in QUARANTINE:
                self._wait(_name(found), written_at, offset=offset)
        elif found is not None:
            self._open.pop(_name(found), None)
            self._dealt_with[_name(found)] = None
            if len(self._dealt_with) > DEALT_WITH_MAX:
                self._dealt_with.popitem(last=False)

    def read_again_from(self) -> int | None:
        """Once all that are remembered are dealt with or gone, the offset of the first that was passed over.

        Whoever asks reads from there on.
        """
        gone = self._clock_ms() - self._kept_ms
        if self._open and next(iter(self._open.values())) < gone:
            self._open = {name: since for name, since in self._open.items() if since >= gone}
        if self._open or self._passed_over is None:
            return None
        offset, self._passed_over, self.is_known = self._passed_over, None, False
        return offset

    def collect(self) -> Iterator[Metric]:
        """For Prometheus, from a thread of its own. Nothing before it is known."""
        if not self.is_known:
            return
        since = list(self._open.values())
        yield GaugeMetricFamily(
            "cartwheel_dead_letters_open", "Dead letters that nobody has dealt with; up to 100,000.", value=len(since)
        )
        yield GaugeMetricFamily(
            "cartwheel_dead_letters_oldest_seconds",
            "Since the oldest dead letter was written that nobody has dealt with, 0 if there is none.",
            value=max(0, self._clock_ms() - min(since)) / 1000 if since else 0,
        )

    def _wait(self, name: Name, since: int, *, offset: int) -> None:
        if name in self._dealt_with or name in self._open:
            return
        if len(self._open) < self._open_max:
            self._open[name] = since
        elif self._passed_over is None:
            self._passed_over = offset


async def follow(waiting: Waiting, *, kafka: str, topic: Topic, stop: asyncio.Event) -> None:
    """Read the topic from its beginning on, until `stop`. Raises what the client raises."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    (partition,) = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    try:
        await consumer.start()
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        while not stop.is_set():
            found = await consumer.getmany(partition, timeout_ms=POLL_MS, max_records=POLL_RECORDS_MAX)
            for record in found.get(partition, ()):
                waiting.take(record.value or b"", offset=record.offset, written_at=record.timestamp)
            if (again := waiting.read_again_from()) is not None:
                consumer.seek(partition, again)
            end = consumer.highwater(partition)
            waiting.is_known |= end is not None and await consumer.position(partition) >= end
    finally:
        await consumer.stop()


def _name(of: DeadLetter | DeadLetterAction) -> Name:
    return of.topic, of.partition, of.offset, of.profile
