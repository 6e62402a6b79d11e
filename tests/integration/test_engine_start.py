"""What a worker finds when it starts: logs that were there before, foreign offsets, compacted state, records gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from agents.stack import Addresses
from agents.topics_admin import LOG_KEY, LogIdentity
from schemas import codec
from tests.integration.engine_log import committed
from tests.integration.engine_rig import Rig, rig
from tests.integration.engine_verdict import read

#: What makes the broker compact within seconds; the lag that protects fresh records is taken away, too.
EAGER = {"min.compaction.lag.ms": "0", "min.cleanable.dirty.ratio": "0.001", "segment.ms": "100"}
DECLARED = {"min.compaction.lag.ms": "3600000", "min.cleanable.dirty.ratio": "0.5", "segment.ms": "604800000"}
COMPACTION_SECONDS = 60


async def _play(made: Rig, *, seed: int, events: int = 1500, per_second: float = 1e6) -> None:
    """Write events at once and let whoever runs work them off."""
    traffic = made.traffic(seed=seed, events=events, per_second=per_second)
    writing = asyncio.create_task(traffic.run())
    await traffic.all_written.wait()
    await made.drained()
    writing.cancel()


async def _write(made: Rig, *, seed: int) -> None:
    """Write events that nobody works off yet."""
    traffic = made.traffic(seed=seed, events=300, per_second=1e6)
    writing = asyncio.create_task(traffic.run())
    await traffic.all_written.wait()
    writing.cancel()


async def _stop(made: Rig) -> None:
    assert await made.workers[-1].stop() == 0


async def test_a_log_older_than_the_group_is_read_from_its_beginning(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        traffic = made.traffic(seed=1, events=6000, per_second=1e6)
        writing = asyncio.create_task(traffic.run())
        await traffic.all_written.wait()
        await made.worker()
        await made.drained()
        writing.cancel()
        await _stop(made)
        verdict = await made.judge()
    assert verdict.faults() == {}
    assert verdict.events == 6000


async def test_the_offset_of_the_group_decides_nothing(stack: Addresses, home: Path, namespace: str) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        await made.worker("one", "--dynamic")
        await _play(made, seed=2)
        await _stop(made)
        ends = await _ends(made)
        assert await committed(made) == ends, "what was committed shows no lag"
        await _commit(made, [0] * len(ends))
        await made.worker("one", "--dynamic")
        await made.workers[-1].until_ready()
        await _stop(made)
        await _write(made, seed=3)
        await _commit(made, await _ends(made))
        await made.worker("one", "--dynamic")
        await _play(made, seed=4)
        await _stop(made)
        verdict = await made.judge()
    assert verdict.faults() == {}


async def test_a_compacted_changelog_gives_the_same_state(stack: Addresses, home: Path, namespace: str) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        await (await made.worker()).until_ready()
        await _play(made, seed=5)
        before = await _records(made)
        await _configure(made, EAGER)
        # The segment that is being written is never compacted; more traffic closes it.
        async with asyncio.timeout(COMPACTION_SECONDS):
            while await _records(made) > before / 2:
                await _play(made, seed=6, events=20)
                await asyncio.sleep(1)
        await _stop(made)
        await _configure(made, DECLARED)
        made.wipe()
        await (await made.worker()).until_ready()
        await _play(made, seed=7)
        await _stop(made)
        verdict = await made.judge()
    assert verdict.faults() == {}


async def test_a_log_that_begins_above_the_position_is_fatal(stack: Addresses, home: Path, namespace: str) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        await (await made.worker()).until_ready()
        await _play(made, seed=8, events=300)
        await _stop(made)
        await _write(made, seed=9)
        await _delete_to_the_end(made)
        worker = await made.worker()
        assert await worker.ended(60) == 70
        assert "are gone unread" in worker.lines[-1]
        assert "docs/faust-engine.md" in worker.lines[-1]


async def test_the_state_of_another_log_is_refused(stack: Addresses, home: Path, namespace: str) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        await (await made.worker()).until_ready()
        await _play(made, seed=10, events=100)
        await _stop(made)
        async with AIOKafkaProducer(bootstrap_servers=made.kafka) as producer:
            identity = LogIdentity(clock="live", incarnation="another")
            await producer.send_and_wait(made.topics.definitions.name, codec.encode(identity), key=LOG_KEY)
        worker = await made.worker()
        assert await worker.ended(60) == 78
        assert made.identity.incarnation in worker.lines[-1]
        assert "another" in worker.lines[-1]


async def test_two_workers_of_one_name_are_refused(stack: Addresses, home: Path, namespace: str) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        await (await made.worker()).until_ready()
        second = await made.worker()
        assert await second.ended(60) == 78
        assert any("--instance" in line for line in second.lines)


async def _ends(made: Rig) -> list[int]:
    return [len(records) for records in await read(made.kafka, made.topics.profile_log)]


async def _records(made: Rig) -> int:
    return sum(map(len, await read(made.kafka, made.topics.profile_state)))


async def _commit(made: Rig, offsets: list[int]) -> None:
    async with AIOKafkaConsumer(
        bootstrap_servers=made.kafka, group_id=f"{made.namespace}.worker", enable_auto_commit=False
    ) as consumer:
        consumer.assign(_log(made))
        await consumer.commit(dict(zip(_log(made), offsets, strict=True)))


def _log(made: Rig) -> list[TopicPartition]:
    topic = made.topics.profile_log
    return [TopicPartition(topic.name, number) for number in range(topic.partitions)]


async def _configure(made: Rig, config: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=made.kafka)
    await admin.start()
    try:
        declared = dict(made.topics.profile_state.config())
        resource = ConfigResource(ConfigResourceType.TOPIC, made.topics.profile_state.name, declared | config)
        await admin.alter_configs([resource])
    finally:
        await admin.close()


async def _delete_to_the_end(made: Rig) -> None:
    ends = await _ends(made)
    admin = AIOKafkaAdminClient(bootstrap_servers=made.kafka)
    await admin.start()
    try:
        await admin.delete_records(
            {partition: RecordsToDelete(end) for partition, end in zip(_log(made), ends, strict=True)}
        )
    finally:
        await admin.close()
