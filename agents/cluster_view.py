"""The partitions of the profile log as Kafka knows them: owner, end, commit, and the partition record in the changelog.

It is asked from outside, so it also tells of workers on other machines, and of partitions that nobody owns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from agents.errors import Unavailable
from agents.topic_reader import read_stretches
from agents.topics_admin import require_log
from schemas import codec
from schemas.codec import PARTITION_KEY
from schemas.instants import to_wire
from schemas.topics import Topic, Topics

#: Records from the end of a changelog partition in which its partition record is looked for first; then more and more.
TAIL_RECORDS = 500


class PartitionInCluster(msgspec.Struct, kw_only=True, frozen=True):
    """One partition. `None` is what nobody has written."""

    partition: int
    owner: str | None
    host: str | None
    end: int
    committed: int | None
    position: int | None
    lag_records: int
    epoch: int | None
    through: str | None
    """Up to where timers have been released, by the partition record."""
    stopped: str | None


class Offsets(NamedTuple):
    """The first offset of a partition, and the one after the last."""

    first: int
    end: int


async def look_at_cluster(kafka: str, topics: Topics, *, group: str) -> list[PartitionInCluster]:
    """Every partition of the log. Raises Unavailable if the broker does not answer, CheckFailed without a log."""
    await require_log(kafka, topics)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    try:
        await admin.start()
        await consumer.start()
        owners = await _owners(admin, group, topic=topics.profile_log.name)
        committed = await _committed(admin, group, topics.profile_log)
        log = await _offsets(consumer, topics.profile_log)
        state = await _offsets(consumer, topics.profile_state)
    except KafkaError as error:
        raise _unavailable(kafka, "who owns which partition", error) from error
    finally:
        await consumer.stop()
        await admin.close()
    records = await partition_records(kafka, topics.profile_state, state)
    return [
        _seen(number, owners.get(number), one, committed=committed.get(number), record=records.get(number))
        for number, one in log.items()
    ]


async def partition_records(kafka: str, topic: Topic, offsets: Mapping[int, Offsets]) -> dict[int, bytes]:
    """The packed partition record of each changelog partition that has one: of those near the end the highest rank.

    It is written with every snapshot, so it is found at once unless a snapshot is very large.
    """
    found: dict[int, bytes] = {}
    tail, unseen = TAIL_RECORDS, {number: one for number, one in offsets.items() if one.first < one.end}
    while unseen:
        stretches = {number: (max(one.first, one.end - tail), one.end) for number, one in unseen.items()}
        async for record in read_stretches(kafka, topic.name, stretches):
            known = found.get(record.partition)
            if record.key == PARTITION_KEY and (known is None or _rank(record.value) >= _rank(known)):
                found[record.partition] = record.value
        unseen = {n: one for n, one in unseen.items() if n not in found and one.first < one.end - tail}
        tail *= 8
    return found


async def offsets_of(kafka: str, topic: Topic) -> dict[int, Offsets]:
    """Where each partition of a topic begins and ends. Raises Unavailable when the broker does not answer."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    try:
        await consumer.start()
        return await _offsets(consumer, topic)
    except KafkaError as error:
        raise _unavailable(kafka, f"how far {topic.name} goes", error) from error
    finally:
        await consumer.stop()


def _rank(value: bytes) -> tuple[int, int]:
    return codec.rank(PARTITION_KEY, value)


def _seen(
    number: int, owner: tuple[str, str] | None, log: Offsets, *, committed: int | None, record: bytes | None
) -> PartitionInCluster:
    unpacked = None if record is None else codec.unpack_partition(record)
    position = None if unpacked is None else unpacked.position
    return PartitionInCluster(
        partition=number,
        owner=owner and owner[0],
        host=owner and owner[1],
        end=log.end,
        committed=committed,
        position=position,
        lag_records=max(0, log.end - max(log.first, position or 0)),
        epoch=None if record is None else codec.epoch_of(record),
        through=None if unpacked is None or not unpacked.through_at else to_wire(unpacked.through_at),
        stopped=None if unpacked is None or unpacked.stopped is None else unpacked.stopped.reason,
    )


async def _owners(admin: Any, group: str, *, topic: str) -> dict[int, tuple[str, str]]:
    """Name and host of the group's member that each partition is assigned to."""
    owners = {}
    try:
        answers = await admin.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:
        return {}  # a young broker has no coordinators yet, so there is no group either
    for answer in answers:
        for _, _, _, _, _, members, *_ in answer.groups:
            for member_id, _, host, _, assignment, *_ in members:
                for one in ConsumerProtocolMemberAssignment.decode(assignment).partitions() if assignment else ():
                    if one.topic == topic:
                        owners[one.partition] = (_name(member_id), host.lstrip("/"))
    return owners


def _name(member_id: str) -> str:
    """Of a static member its instance, to which the broker appends a UUID: five words with dashes."""
    return "-".join(member_id.split("-")[:-5]) or member_id


async def _committed(admin: Any, group: str, topic: Topic) -> dict[int, int]:
    try:
        found = await admin.list_consumer_group_offsets(group)
    except GroupCoordinatorNotAvailableError:
        return {}
    return {one.partition: at.offset for one, at in found.items() if one.topic == topic.name and at.offset >= 0}


async def _offsets(consumer: Any, topic: Topic) -> dict[int, Offsets]:
    partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    first, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    return {one.partition: Offsets(first[one], end[one]) for one in partitions}


def _unavailable(kafka: str, what: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"Kafka at {kafka} did not say {what} ({str(error) or type(error).__name__})",
        next_step="see whether the broker is healthy (its log) and the topics are there (`cartwheel topics check`)",
    )
