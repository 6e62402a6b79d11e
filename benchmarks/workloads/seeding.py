"""State made beforehand: profiles of 850 bytes with a timer each, written to the state topic by the worker's own codec.

A worker that starts on it recovers them as if it had written them itself. Going through the worker would take minutes
for a million, and end in the same records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from random import Random
from typing import NamedTuple

from agents.topics_admin import LogIdentity
from benchmarks.profile_log import append, clock_ms, partitioner, producing
from benchmarks.stage import Stage
from benchmarks.workloads.people import email, external_id, person
from schemas import codec
from schemas.profile import Enrollment, Fact, PartitionRecord, Past, Profile, Seen
from streams.dedupe import ENTRY

FLOW, LABEL = "an_hour_later", "hour"
HOUR_MS = 3_600_000
CHUNK = 20_000
KNOWN_EVENTS = 29  # of a person: what 850 bytes have room for
ORDERS = 2


class Seeded(NamedTuple):
    """One person, and the moment of their timer."""

    number: int
    due_at: int


async def seed(stage: Stage, identity: LogIdentity, some: Iterable[Seeded], *, repeat: float = 0.0) -> int:
    """Write them, and partition records that stand at the beginning of the log. Returns how many records that took.

    `repeat`: the share of people with an older record before, as compaction has not come to it yet.
    """
    written, now = 0, clock_ms()
    partitions = stage.topics.profile_state.partitions
    partition_of, make = partitioner(partitions), Maker(now=now)
    async with producing(stage.kafka) as producer:
        stream = iter(some)
        while chunk := list(islice(stream, CHUNK)):
            pairs: dict[int, list[tuple[bytes, bytes]]] = {number: [] for number in range(partitions)}
            older = chunk[: round(len(chunk) * repeat)]
            for one, offset in [(one, 0) for one in older] + [(one, 1) for one in chunk]:
                key, state = make(one, applied_offset=-2 + offset)
                pairs[partition_of(key)].append((key, state))
            await append(producer, stage.topics.profile_state.name, {at: them for at, them in pairs.items() if them})
            written += len(chunk) + len(older)
        record = codec.pack_partition(_partition_record(identity))
        last = {number: [(codec.PARTITION_KEY, record)] for number in range(partitions)}
        await append(producer, stage.topics.profile_state.name, last)
    return written + partitions


class Maker:
    """Makes packed profiles: known by two identifiers, enrolled once, two orders and some events remembered."""

    def __init__(self, *, now: int) -> None:
        self._now = now
        self._random = Random("state")

    def __call__(self, seeded: Seeded, *, applied_offset: int) -> tuple[bytes, bytes]:
        """Key and state."""
        number, due_at = seeded
        key = person(number).key
        tenant, _, profile_id = key.decode().partition("/")
        long_ago = self._now - 2 * HOUR_MS
        profile = Profile(
            tenant=tenant,
            profile_id=profile_id,
            applied_offset=applied_offset,
            identifiers={
                "external_id": Fact(external_id(number), long_ago),
                "email": Fact(email(number), long_ago),
            },
            enrollments=[self._enrollment(due_at, triggered_at=long_ago)],
            past={FLOW: Past(started_at=long_ago)},
            history=[
                Seen(type="order_placed", source="shop/web", occurred_at=long_ago - at, offset=at, words={})
                for at in range(ORDERS)
            ],
            dedupe=self._events(long_ago),
            last_active_at=long_ago,
        )
        return key, codec.pack_profile(profile)

    def _enrollment(self, due_at: int, *, triggered_at: int) -> Enrollment:
        return Enrollment(
            enrollment_id=f"{self._random.getrandbits(128):032x}",
            flow=FLOW,
            key="",
            visit=1,
            anchor_at=due_at - HOUR_MS,
            triggered_at=triggered_at,
            trigger_offset=0,
            entered_at=triggered_at,
            context=codec.pack_words(
                {
                    "list_id": due_word(due_at),
                    "channel_id": "2",
                    "store": "main",
                    "locale": "en-US",
                    "campaign": "autumn",
                }
            ),
            step=LABEL,
            due_at=due_at,
            wakeup_at=due_at,
        )

    def _events(self, seen_at: int) -> bytes:
        seconds = (seen_at // 1000).to_bytes(4)
        return b"".join(self._random.randbytes(ENTRY.size - 4) + seconds for _ in range(KNOWN_EVENTS))


def due_word(due_at: int) -> str:
    """How the trigger tells when its message is due, so that a command can be judged by itself."""
    return f"due-{due_at}"


def due_of(word: str) -> int:
    """The moment in such a word."""
    return int(word.removeprefix("due-"))


def evenly(numbers: range, *, begin_at: int, over_ms: int) -> Iterator[Seeded]:
    """So many people, due evenly over a time, in no order."""
    step = 0.618_033_988_749_895
    for number in numbers:
        yield Seeded(number, begin_at + int((number * step) % 1 * over_ms))


def _partition_record(identity: LogIdentity) -> PartitionRecord:
    """Of a partition that has seen nothing: the log may have been written before the states were."""
    return PartitionRecord(
        position=0,
        now_at=0,
        watermarks=[],
        through_at=0,
        through_key=None,
        clock=identity.clock,
        incarnation=identity.incarnation,
    )
