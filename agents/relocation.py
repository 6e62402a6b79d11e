"""Relocation: who stands where in older versions of a flow, where a map of labels takes them, and the orders to go.

Nothing is kept between two runs. Who has gone is not found again, so whoever starts anew goes on with who is left; and
whom an order reaches twice goes once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.cluster_view import Offsets
from agents.errors import InputRefused, Unavailable
from agents.topic_reader import read_stretches
from schemas import codec
from schemas.flow import Flow
from schemas.profile import NEVER
from schemas.steps import Send, Settle, Wait, WaitEvent, WaitUntil, WaitUntilDate
from schemas.topics import Topic

#: Where people can stand between two records.
_STANDING = (Wait, WaitUntil, WaitUntilDate, WaitEvent, Settle, Send)
BURSTS_PER_SECOND = 10

Where = tuple[str, str]  # version, label


class Leg(NamedTuple):
    """So many go from a step of a version to a step of the newest one."""

    version: str
    label: str
    to: str
    people: int


class Census:
    """Feed it a changelog partition in order; of each person the state of the highest applied offset counts.

    Holds only who is in the flow.
    """

    def __init__(self, flow: str) -> None:
        self._flow = flow
        self._latest: dict[bytes, tuple[int, tuple[Where, ...]]] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """One record."""
        if key[:1] == b"\x00":
            return
        if value is None:
            self._latest.pop(key, None)
            return
        applied, wakeup_at, held = codec.peek(value)
        known = self._latest.get(key)
        if known is not None and applied < known[0]:
            return
        where: tuple[Where, ...] = ()
        if wakeup_at != NEVER or held:
            profile = codec.unpack_profile(value, key=key)
            where = tuple((one.version, one.step) for one in profile.enrollments if one.flow == self._flow)
        if where or known is not None:
            self._latest[key] = (applied, where)

    def elsewhere(self, version: str) -> dict[bytes, tuple[Where, ...]]:
        """Where people stand who are in another version, by profile key."""
        found = {
            key: tuple(place for place in where if place[0] != version) for key, (_, where) in self._latest.items()
        }
        return {key: where for key, where in found.items() if where}


async def census(
    kafka: str, topic: Topic, offsets: Mapping[int, Offsets], flow: Flow
) -> AsyncIterator[tuple[int, dict[bytes, tuple[Where, ...]]]]:
    """Per partition, who is in another version than this one. One partition is held in memory at a time."""
    for number, one in offsets.items():
        counted = Census(flow.name)
        async for record in read_stretches(kafka, topic.name, {number: (one.first, one.end)}):
            counted.take(record.key, record.value)
        yield number, counted.elsewhere(flow.version)


def legs(found: Iterable[tuple[Where, ...]], labels: Mapping[str, str]) -> list[Leg]:
    """Counts, by version and label."""
    counts = Counter(place for where in found for place in where)
    return [
        Leg(version, label, labels.get(label, label), people) for (version, label), people in sorted(counts.items())
    ]


def check_labels(to: Flow, older: Sequence[Flow], labels: Mapping[str, str]) -> None:
    """Raises InputRefused when somebody in one of the older versions could stand where the map leads nowhere."""
    known = {step.label for step in to.steps}
    standing = {step.label: flow for flow in older for step in flow.steps if isinstance(step, _STANDING)}
    wrong = [f"{label} -> {to_}: version {to.version[:12]} has no step {to_}{_hint(to_, known)}"
             for label, to_ in labels.items() if to_ not in known]  # fmt: skip
    wrong += [f"{label}: no older version has a step of that label{_hint(label, set(standing))}"
              for label in labels if label not in {step.label for flow in older for step in flow.steps}]  # fmt: skip
    wrong += [f"{label}: removed since version {flow.version[:12]}, and the map does not say where people go"
              for label, flow in standing.items() if labels.get(label, label) not in known
              and label not in labels]  # fmt: skip
    if wrong:
        raise InputRefused(
            "\n".join([f"the people of {to.name} cannot be moved by this map:", *wrong]),
            next_step=f"steps of version {to.version[:12]} are {', '.join(step.label for step in to.steps)}",
        )


def _hint(word: str, known: set[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


async def write_all(
    kafka: str, topic: str, records: Iterable[tuple[int, bytes, bytes]], *, per_second: float
) -> AsyncIterator[int]:
    """Write (partition, key, value) in small bursts, each acknowledged, no faster than told. Yields how many are in.

    Raises Unavailable when Kafka does not take them; what was yielded is written.
    """
    written, waiting = 0, list(records)
    size = max(1, int(per_second / BURSTS_PER_SECOND))
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        while written < len(waiting):
            burst = waiting[written : written + size]
            sent = [await producer.send(topic, value, key=key, partition=number) for number, key, value in burst]
            await asyncio.gather(*sent)
            written += len(burst)
            yield written
            if written < len(waiting):
                await asyncio.sleep(len(burst) / per_second)
    except KafkaError as error:
        raise Unavailable(
            f"Kafka at {kafka}: {topic} could not be written ({str(error) or type(error).__name__})",
            next_step="see whether the broker is healthy (`cartwheel status`), then start again: it goes on from there",
        ) from error
    finally:
        await producer.stop()
