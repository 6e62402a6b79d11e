"""Feed: a file of events into the raw topic, as a connector would write it. For demos, imports and tests.

On a carried clock everything goes to raw partition 0, in order and with its arrival time in a header, and an end mark
follows. On a live clock events go by the key of their profile, and a watermark goes to every raw partition once all
before it is acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from aiokafka.errors import KafkaError

from agents.errors import InputRefused, Unavailable
from agents.outgoing import Headers, Outgoing, close, new_producer, partition_of
from agents.replay_file import EventLine, Line, RefusedLine, WatermarkLine, read_lines
from agents.topics_admin import require_log_identity
from schemas.codec import encode
from schemas.command import Clock
from schemas.control import APPENDED_AT_HEADER
from schemas.topics import Topics

LINES_AT_ONCE = 1_000


@dataclass(slots=True, kw_only=True)
class Fed:
    """What was written, and what was not."""

    events: int = 0
    watermarks: int = 0
    refused: int = 0
    early: int = 0
    """Lines that arrive before the line above them; the worker takes the later time for both."""


async def feed(
    kafka: str,
    topics: Topics,
    path: Path,
    *,
    clock: Clock,
    strict: bool = False,
    refused: Callable[[RefusedLine], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Fed:
    """Write a file to the raw topic, to the last acknowledgement.

    `refused` is told of each line that cannot be taken; with `strict` the first one ends the feed, and only lines
    above it were written. `progress` is told how many bytes of the file have been read.
    Raises `InputRefused` for the file or a log of another clock, `Unavailable` if Kafka does not acknowledge.
    """
    identity = await require_log_identity(kafka, topics)
    if identity.clock != clock:
        raise InputRefused(
            f"the log behind {topics.raw.name} has a {identity.clock} clock, and this feed is for a {clock} one",
            next_step=f"feed with --clock {identity.clock}, or into another namespace (--namespace)",
        )
    producer = new_producer(kafka)
    try:
        await producer.start()
        partitions = len(await producer.partitions_for(topics.raw.name))
        feeding = _Feeding(producer, topics.raw.name, partitions=partitions, clock=clock)
        return await feeding.run(read_lines(path, progress=progress), path, strict=strict, refused=refused)
    except KafkaError as error:
        raise Unavailable(
            f"Kafka at {kafka} did not acknowledge ({str(error) or type(error).__name__})",
            next_step="feed the file again when Kafka is back; what is written twice counts once",
        ) from error
    finally:
        await close(producer)


class _Feeding:
    def __init__(self, producer: Any, topic: str, *, partitions: int, clock: Clock) -> None:
        self._out, self._topic, self._partitions = Outgoing(producer), topic, partitions
        self._carried = clock == "carried"
        self._fed = Fed()
        self._latest_at = 0

    async def run(
        self, lines: Iterator[Line], path: Path, *, strict: bool, refused: Callable[[RefusedLine], None] | None
    ) -> Fed:
        while some := list(islice(lines, LINES_AT_ONCE)):
            for line in some:
                if isinstance(line, RefusedLine):
                    self._fed.refused += 1
                    if strict:
                        await self._deliver()
                        raise _ending(path, line)
                    if refused is not None:
                        refused(line)
                else:
                    await self._write(line)
            await self._deliver()
        if self._carried:
            self._add(0, key=None, value=b'{"end":{}}', at=self._latest_at)
            await self._deliver()
        return self._fed

    async def _write(self, line: EventLine | WatermarkLine) -> None:
        self._fed.early += line.arrived_at < self._latest_at
        self._latest_at = max(self._latest_at, line.arrived_at)
        if isinstance(line, EventLine):
            self._fed.events += 1
            key = line.accepted.key
            partition = 0 if self._carried else partition_of(key, self._partitions)
            self._add(partition, key=key, value=encode(line.document), at=line.arrived_at)
            return
        self._fed.watermarks += 1
        value = msgspec.json.encode({"watermark": line.watermark})
        if self._carried:
            self._add(0, key=None, value=value, at=line.arrived_at)
            return
        await self._deliver()
        for partition in range(self._partitions):
            self._add(partition, key=None, value=value, at=line.arrived_at)
        await self._deliver()

    def _add(self, partition: int, *, key: bytes | None, value: bytes, at: int) -> None:
        headers: Headers | None = [(APPENDED_AT_HEADER, str(at).encode())] if self._carried else None
        self._out.add(self._topic, partition, key=key, value=value, headers=headers)

    async def _deliver(self) -> None:
        await asyncio.gather(*await self._out.hand_over())


def _ending(path: Path, line: RefusedLine) -> InputRefused:
    return InputRefused(
        f"{path} line {line.number}: {line.refused}",
        next_step="correct the line, or feed without --strict to leave such lines out; lines above it were written",
    )
