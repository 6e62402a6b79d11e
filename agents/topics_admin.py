"""Creates the declared topics, checks that they are as declared, and gives a log its identity.

Nothing here changes or deletes a topic that exists. A difference is named and left to the operator, because the way to
another partition count is a migration and not a setting.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from agents.errors import CheckFailed, Misconfigured, Unavailable
from schemas import codec
from schemas.command import Clock
from schemas.topics import Topic, Topics

LOG_KEY = b"log"
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.1
ANSWER_SECONDS = 5.0
NAMESPACES_SHOWN = 5
MOST_REPLICAS = 3


class LogIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a log this log: its kind of clock, chosen once, and a random id that no other log has."""

    clock: Clock
    incarnation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as declared. `found` is `None` if it is not there at all."""

    topic: str
    setting: str
    declared: str
    found: str | None

    def __str__(self) -> str:
        found = "is missing" if self.found is None else f"is {self.found}"
        return f"{self.topic}: {self.setting} {found}, declared is {self.declared}"


async def apply(
    kafka: str, topics: Topics, *, clock: Clock, replicas: int | None = None
) -> tuple[list[str], LogIdentity]:
    """Create what is missing and give the log its identity, once. Returns the created names and the identity.

    `replicas` is for topics created now; by default as many as there are brokers, three at most. Raises `CheckFailed`
    if a topic exists and is not as declared, or the log has another clock; then nothing was created.
    """
    async with _admin(kafka) as admin:
        missing, differences = await _compare(admin, topics)
        identity = None if topics.definitions in missing else await read_log_identity(kafka, topics)
        if identity is not None and identity.clock != clock:
            name = topics.definitions.name
            differences.append(Difference(topic=name, setting="clock", declared=clock, found=identity.clock))
        if differences:
            raise refusal(differences)
        if replicas is None:
            replicas = min(MOST_REPLICAS, len((await admin.describe_cluster())["brokers"]))
        await _create(admin, missing, replicas=replicas)
        await _wait_for_leaders(admin, topics)
    if identity is None:
        await _write_log_identity(kafka, topics, LogIdentity(clock=clock, incarnation=uuid.uuid4().hex))
        # Read back, not taken for granted: another command may have written its own at the same moment.
        identity = await require_log_identity(kafka, topics)
    return [topic.name for topic in missing], identity


async def check(kafka: str, topics: Topics) -> list[Difference]:
    """Everything that is not as declared, a missing topic and a missing identity included."""
    async with _admin(kafka) as admin:
        missing, differences = await _compare(admin, topics)
    differences += [Difference(topic=t.name, setting="topic", declared="present", found=None) for t in missing]
    if topics.definitions not in missing and await read_log_identity(kafka, topics) is None:
        declared = "written by `cartwheel topics apply`"
        differences.append(
            Difference(topic=topics.definitions.name, setting="identity of the log", declared=declared, found=None)
        )
    return differences


def refusal(differences: Sequence[Difference]) -> CheckFailed:
    """The error that names every difference, one a line."""
    return CheckFailed(
        "topics are not as declared\n" + "\n".join(f"  {difference}" for difference in differences),
        next_step="`cartwheel topics apply` creates what is missing; correct the rest by hand, or use another namespace"
        " (--namespace). Neither partitions nor clock can be changed under a log that is in use",
    )


def removed(*names: str) -> Misconfigured:
    """The error of a process that was using topics which are not there any more."""
    return Misconfigured(
        f"the broker does not know {', '.join(names)} any more: removed while this process was using it",
        next_step="find out who did it; `cartwheel topics apply` makes it anew, empty; then start again: what was not"
        " acknowledged is written again (deploy/runbooks/topic-removed.md)",
    )


async def removed_since(kafka: str, topics: Topics) -> Misconfigured | None:
    """The same, if the cluster answers at once and some topic is not there."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS), _admin(kafka) as admin:
            present = {found["topic"] for found in await admin.describe_topics()}
    except (TimeoutError, Unavailable):
        return None
    missing = [topic.name for topic in topics if topic.name not in present]
    return removed(*missing) if missing else None


async def read_log_identity(kafka: str, topics: Topics) -> LogIdentity | None:
    """The identity of the log, or `None` if it has none yet. Raises `Unavailable` if the topic cannot be read in 30 s.

    Of two written at the same moment by two commands the later one counts, as for every compacted key.
    """
    partition = TopicPartition(topics.definitions.name, 0)
    identity = None
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await consumer.start()
            consumer.assign([partition])
            end = (await consumer.end_offsets([partition]))[partition]
            await consumer.seek_to_beginning(partition)
            while await consumer.position(partition) < end:
                for record in (await consumer.getmany(partition, timeout_ms=1000)).get(partition, ()):
                    if record.key == LOG_KEY and record.value is not None:
                        identity = codec.decode(record.value, LogIdentity)
    except codec.Undecodable as error:
        raise CheckFailed(
            f"{partition.topic}: the identity of the log is damaged ({error})",
            next_step="write the record `log` anew as it was; the partition records of the state topic hold its values",
        ) from error
    except (TimeoutError, KafkaError) as error:
        raise _unavailable(kafka, f"{partition.topic} could not be read", error) from error
    finally:
        await consumer.stop()
    return identity


async def require_log_identity(kafka: str, topics: Topics) -> LogIdentity:
    """The identity of the log. Raises `CheckFailed` if `cartwheel topics apply` has not been run."""
    async with _admin(kafka) as admin:
        present = [found["topic"] for found in await admin.describe_topics()]
    if topics.definitions.name not in present:
        raise _absent(topics.definitions, present)
    identity = await read_log_identity(kafka, topics)
    if identity is None:
        raise CheckFailed(
            f"{topics.definitions.name} holds no identity of the log", next_step="run `cartwheel topics apply`"
        )
    return identity


async def require_log(kafka: str, topics: Topics) -> None:
    """Raise `CheckFailed` if there is no such log, or it has another count of partitions than we were told."""
    async with _admin(kafka) as admin:
        counts = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
    log = topics.profile_log
    if log.name not in counts:
        raise _absent(log, counts)
    if counts[log.name] != log.partitions:
        raise CheckFailed(
            f"{log.name} has {counts[log.name]} partitions, and we are told {log.partitions}",
            next_step=f"set CARTWHEEL_PARTITIONS to {counts[log.name]}, as for the processes that work on it",
        )


def _absent(topic: Topic, present: Iterable[str]) -> CheckFailed:
    """The error for a topic that is not there, with the namespaces that are."""
    word = topic.name[topic.name.index(".") :]
    others = sorted(name.removesuffix(word) for name in present if name.endswith(word))
    if not others:
        return CheckFailed(f"the topic {topic.name} is not there", next_step="run `cartwheel topics apply`")
    shown = ", ".join(others[:NAMESPACES_SHOWN]) + (", ..." if len(others) > NAMESPACES_SHOWN else "")
    return CheckFailed(
        f"the topic {topic.name} is not there, but those of other namespaces: {shown}",
        next_step="name the one you mean with --namespace, or run `cartwheel topics apply`",
    )


@asynccontextmanager
async def _admin(kafka: str) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    try:
        await admin.start()
        yield admin
    except (TimeoutError, KafkaError) as error:
        raise _unavailable(kafka, "a request about topics failed", error) from error
    finally:
        await admin.close()


async def _compare(admin: Any, topics: Topics) -> tuple[list[Topic], list[Difference]]:
    """The topics that do not exist, and what differs in those that do."""
    # Asking for all names, not for ours: a broker that creates topics by itself would create what is asked for.
    existing = {found["topic"]: found for found in await admin.describe_topics()}
    present = [topic for topic in topics if topic.name in existing]
    differences = []
    for topic in present:
        count = len(existing[topic.name]["partitions"])
        if count != topic.partitions:
            differences.append(
                Difference(topic=topic.name, setting="partitions", declared=str(topic.partitions), found=str(count))
            )
    differences += await _compare_config(admin, present)
    return [topic for topic in topics if topic.name not in existing], differences


async def _compare_config(admin: Any, present: Sequence[Topic]) -> list[Difference]:
    if not present:
        return []
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name, dict(topic.config())) for topic in present]
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for code, message, _, name, entries in answer.resources:
            if code:
                raise for_code(code)(message)
            found[name] = {setting: value for setting, value, *_ in entries}
    return [
        Difference(topic=topic.name, setting=setting, declared=declared, found=found[topic.name].get(setting))
        for topic in present
        for setting, declared in topic.config().items()
        if found[topic.name].get(setting) != declared
    ]


async def _create(admin: Any, missing: Sequence[Topic], *, replicas: int) -> None:
    if not missing:
        return
    wanted = [NewTopic(t.name, t.partitions, replicas, topic_configs=dict(t.config())) for t in missing]
    answer = await admin.create_topics(wanted)
    for name, code, message in answer.topic_errors:
        # Another `apply` may have been faster; what it created is what we would have created.
        if code not in (0, TopicAlreadyExistsError.errno):
            raise for_code(code)(f"{name}: {message}")


async def _wait_for_leaders(admin: Any, topics: Topics) -> None:
    """Creation returns before every partition has a leader; who writes at once would have to try again."""
    names = {topic.name: topic.partitions for topic in topics}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            led = {
                found["topic"]: sum(partition["leader"] >= 0 for partition in found["partitions"])
                for found in await admin.describe_topics()
            }
            if all(led.get(name, 0) >= count for name, count in names.items()):
                return
            await asyncio.sleep(PAUSE_SECONDS)


async def _write_log_identity(kafka: str, topics: Topics, identity: LogIdentity) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    try:
        await producer.start()
        await producer.send_and_wait(topics.definitions.name, codec.encode(identity), key=LOG_KEY, partition=0)
    except KafkaError as error:
        raise _unavailable(kafka, f"{topics.definitions.name} could not be written", error) from error
    finally:
        await producer.stop()


def _unavailable(kafka: str, what: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"Kafka at {kafka}: {what} ({str(error) or type(error).__name__})",
        next_step="see whether the broker is healthy (`cartwheel status`, its log), then try again",
    )
