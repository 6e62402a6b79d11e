"""The verdict over a run: what the topics hold, beside what two replays of the recorded profile log make of it.

The oracle is a naive interpreter of the flow files that shares no code with the core; it says which commands there
must be. The core itself, fed the log record by record without a break, says how every state and decision must read,
to the byte.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.definitions.book import Book, read_book
from schemas import codec
from schemas.codec import PARTITION_KEY
from schemas.control import TICK_KEY
from schemas.instants import from_wire
from schemas.topics import Topic, Topics
from streams.partition import Partition, Record
from tests.oracle.flowfile import Flow
from tests.oracle.identity import hashed
from tests.oracle.records import event
from tests.oracle.replay import run_live

Log = list[list[Any]]


@dataclass(slots=True)
class Verdict:
    """All but the first row must be 0. Repeated ids with the same body are fine: whoever acts on them acts once."""

    events: int = 0
    ticks: int = 0
    commands: int = 0
    decisions: int = 0
    repeated: int = 0

    unprocessed: int = 0
    missing: int = 0
    wrong: int = 0
    two_bodies: int = 0
    missing_decisions: int = 0
    wrong_decisions: int = 0
    wrong_states: int = 0
    stale_wins: int = 0
    hasty_ticks: int = 0
    """Ticks that reach beyond their own append time; brokers and workers share a clock here."""
    early: int = 0
    """Commands decided before the waits that lead to them were over, counted from the trigger."""

    def faults(self) -> dict[str, int]:
        """What must not be."""
        names = [field.name for field in fields(self)]
        return {name: getattr(self, name) for name in names[names.index("unprocessed") :] if getattr(self, name)}


async def judge(*, kafka: str, topics: Topics, oracle: Sequence[Flow], incarnation: str) -> Verdict:
    """Read everything and compare."""
    log, book = await read(kafka, topics.profile_log), await read_book(kafka, topics)
    state = await read(kafka, topics.profile_state)
    verdict = Verdict()
    orders = [
        [one for one in records if b"recall_id" not in one.value] for records in await read(kafka, topics.commands)
    ]
    bodies = _by_id(orders, "command_id", verdict)
    decided = _by_id(await read(kafka, topics.decisions), "decision_id", verdict)
    verdict.commands, verdict.decisions = len(bodies), len(decided)
    must: dict[str, tuple[Any, ...]] = {}
    may: dict[str, tuple[Any, ...]] = {}
    may_decide: set[bytes] = set()
    written = {body for some in decided.values() for body in some}
    anchors: dict[str, int] = {}
    for number, records in enumerate(log):
        newest, last = _states(state[number])
        position = codec.unpack_partition(newest[PARTITION_KEY]).position if PARTITION_KEY in newest else 0
        verdict.events += sum(record.key != TICK_KEY for record in records)
        verdict.ticks += sum(record.key == TICK_KEY for record in records)
        verdict.hasty_ticks += sum(_is_hasty(record) for record in records if record.key == TICK_KEY)
        verdict.unprocessed += sum(record.key != TICK_KEY for record in records[position:])
        must |= _oracle(oracle, records[:position])
        may |= _oracle(oracle, records)
        _anchor(anchors, oracle, records)
        replay = CoreReplay(book, state[number], topic=topics.profile_log.name, number=number, incarnation=incarnation)
        replay.feed(records[:position])
        verdict.wrong_states += replay.wrong_states(newest)
        verdict.missing_decisions += len(replay.decisions - written)
        verdict.stale_wins += sum(last[key] != value for key, value in newest.items())
        replay.feed(records[position:])
        may_decide |= replay.decisions
    verdict.wrong_decisions = len(written - may_decide)
    verdict.missing = sum(one not in bodies for one in must)
    verdict.wrong = sum(any(_facts(body) != may.get(one) for body in some) for one, some in bodies.items())
    verdict.early = sum(_is_early(body, oracle, anchors) for some in bodies.values() for body in some)
    verdict.two_bodies = sum(len(some) > 1 for some in (*bodies.values(), *decided.values()))
    return verdict


async def read(kafka: str, topic: Topic) -> Log:
    """Every record of a topic, per partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", max_poll_records=5000)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: Log = [[] for _ in partitions]
        while unread := [one for one in partitions if await consumer.position(one) < ends[one]]:
            for partition, records in (await consumer.getmany(*unread, timeout_ms=500)).items():
                found[partition.partition] += records
        return found
    finally:
        await consumer.stop()


def _is_hasty(record: Any) -> bool:
    return from_wire(orjson.loads(record.value)["through"]) > int(record.timestamp)


def _by_id(log: Log, name: str, verdict: Verdict) -> dict[str, set[bytes]]:
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for records in log:
        for record in records:
            bodies[orjson.loads(record.value)[name]].add(record.value)
    verdict.repeated += sum(map(len, log)) - sum(map(len, bodies.values()))
    return bodies


def _oracle(flows: Sequence[Flow], records: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    kinds = [(r.offset, r.timestamp, "tick" if r.key == TICK_KEY else "event", r.value) for r in records]
    return {
        one.command_id: (one.enrollment_id, one.profile_id, one.flow, one.step, one.visit, one.decided_at)
        for one in run_live(flows, kinds).commands
    }


def _facts(body: bytes) -> tuple[Any, ...]:
    command = orjson.loads(body)
    named = tuple(command[name] for name in ("enrollment_id", "profile_id", "flow", "step", "visit"))
    return (*named, from_wire(command["decided_at"]))


def _anchor(anchors: dict[str, int], flows: Sequence[Flow], records: Sequence[Any]) -> None:
    """When the trigger happened of each enrollment that there can be; flows here have no key."""
    for record in records:
        if record.key != TICK_KEY:
            one = event(orjson.loads(record.value), appended_at=record.timestamp, position=record.offset)
            for flow in flows:
                if flow.event == one.name:
                    who = (one.tenant, one.profile_id, flow.name, "", one.name, one.dedupe)
                    anchors.setdefault(hashed(*who), one.occurred_at)


def _is_early(body: bytes, flows: Sequence[Flow], anchors: dict[str, int]) -> bool:
    command = orjson.loads(body)
    flow = next(flow for flow in flows if flow.name == command["flow"])
    waits = sum(step.wait_ms for step in flow.steps[: flow.step_at(command["step"])])
    anchor = anchors.get(command["enrollment_id"])
    # A newer trigger that replaces the context may be older than the waits before it.
    return anchor is None or (command["visit"] == 1 and from_wire(command["decided_at"]) < anchor + waits)


def _states(records: Sequence[Any]) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Per key the state with the highest applied offset, and the one that stands last, as compaction keeps it."""
    newest: dict[bytes, bytes] = {}
    states = [record for record in records if record.key != codec.CLAIM_KEY]
    for record in states:
        known = newest.get(record.key)
        if known is None or codec.rank(record.key, record.value) >= codec.rank(record.key, known):
            newest[record.key] = record.value
    return newest, {record.key: record.value for record in states}


def assert_replayed(book: Book, *, log: Log, state: Log, decided: Log, topic: str, incarnation: str) -> None:
    """The core over the log of each partition, up to its position, decides what was decided and comes to its state."""
    for number, records in enumerate(log):
        _, last = _states(state[number])
        replay = CoreReplay(book, state[number], topic=topic, number=number, incarnation=incarnation)
        replay.feed(records[: codec.unpack_partition(last[PARTITION_KEY]).position])
        assert replay.decisions == {record.value for record in decided[number]}
        assert replay.wrong_states(last) == 0


class CoreReplay:
    """The core over one recorded partition, record by record, in one life: with the flows that it began with, and those
    of each activation in its log.
    """

    def __init__(self, book: Book, changelog: Sequence[Any], *, topic: str, number: int, incarnation: str) -> None:
        self.states: dict[bytes, bytes] = {}
        self.decisions: set[bytes] = set()
        records = (codec.unpack_partition(one.value) for one in changelog if one.key == PARTITION_KEY)
        began = next((one.activation for one in records if one.activation is not None), book.newest)
        self._partition = Partition(
            program=book.program_of(began),
            programs=book.program,
            topic=topic,
            number=number,
            clock="live",
            incarnation=incarnation,
            load=self.states.get,
            record=None,
        )

    def feed(self, records: Sequence[Any]) -> None:
        """Apply records; whatever they make is kept."""
        for record in records:
            made = self._partition.process([Record(record.offset, record.timestamp, record.key, record.value)])
            kept = self._partition.snapshot()
            self._partition.settled()
            self.states.update(kept.states)
            self.states[PARTITION_KEY] = kept.partition_record
            self.decisions.update(value for _, value in made.decisions)

    def wrong_states(self, newest: dict[bytes, bytes]) -> int:
        """How many states differ; a profile that was ahead of the position is left out."""
        position = self._partition.position
        wrong = 0
        for key, state in self.states.items():
            found = newest.get(key)
            if key == PARTITION_KEY:  # everything but the epoch of its owner
                wrong += found is None or codec.unpack_partition(found) != codec.unpack_partition(state)
            else:
                ahead = found is not None and codec.peek(found)[0] >= position
                wrong += not ahead and found != state
        return wrong
