"""The topics on a real broker: created once as declared, never altered, every difference named with both values."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from agents import topics_admin
from agents.errors import CheckFailed
from agents.settings import Settings
from schemas.topics import Topics, topics
from tests.integration.engine_log import WAIT_SECONDS, remove


@pytest.fixture
def declared(settings: Settings) -> Topics:
    return topics(settings.namespace, partitions=settings.partitions)


async def test_what_was_applied_passes_the_check_and_applying_again_changes_nothing(
    settings: Settings, declared: Topics
) -> None:
    kafka = address(settings)
    created, identity = await topics_admin.apply(kafka, declared, clock="live")
    assert created == [topic.name for topic in declared]
    assert await topics_admin.check(kafka, declared) == []
    assert await topics_admin.apply(kafka, declared, clock="live") == ([], identity)
    assert await topics_admin.read_log_identity(kafka, declared) == identity
    assert identity.clock == "live"


async def test_every_log_has_an_identity_of_its_own(settings: Settings, declared: Topics) -> None:
    other = topics(f"{settings.namespace}-other", partitions=1)
    _, first = await topics_admin.apply(address(settings), declared, clock="live")
    _, second = await topics_admin.apply(address(settings), other, clock="live")
    assert first.incarnation != second.incarnation


async def test_a_log_keeps_its_clock(settings: Settings, declared: Topics) -> None:
    await topics_admin.apply(address(settings), declared, clock="carried")
    with pytest.raises(CheckFailed, match=r"clock is carried, declared is live"):
        await topics_admin.apply(address(settings), declared, clock="live")


async def test_differences_are_named_with_both_values_and_nothing_is_created(
    settings: Settings, declared: Topics
) -> None:
    kafka = address(settings)
    await create(kafka, NewTopic(declared.raw.name, 7, 1, topic_configs=dict(declared.raw.config())))
    odd = {**declared.commands.config(), "cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    await create(kafka, NewTopic(declared.commands.name, settings.partitions, 1, topic_configs=odd))
    with pytest.raises(CheckFailed) as refused:
        await topics_admin.apply(kafka, declared, clock="live")
    assert refused.value.message.splitlines()[1:] == [
        f"  {declared.raw.name}: partitions is 7, declared is {settings.partitions}",
        f"  {declared.commands.name}: cleanup.policy is compact, declared is delete",
        f"  {declared.commands.name}: message.timestamp.type is CreateTime, declared is LogAppendTime",
    ]
    missing = [found.topic for found in await topics_admin.check(kafka, declared) if found.found is None]
    assert len(missing) == len(list(declared)) - 2


async def test_the_check_names_what_is_missing(settings: Settings, declared: Topics) -> None:
    found = await topics_admin.check(address(settings), declared)
    assert [(difference.topic, difference.setting) for difference in found] == [
        (topic.name, "topic") for topic in declared
    ]


async def test_a_topic_that_was_removed_is_named_while_the_cluster_answers(
    settings: Settings, declared: Topics
) -> None:
    kafka = address(settings)
    await topics_admin.apply(kafka, declared, clock="live")
    assert await topics_admin.removed_since(kafka, declared) is None
    await remove(kafka, declared.raw.name, declared.receipts.name)
    async with asyncio.timeout(WAIT_SECONDS):
        while (removed := await topics_admin.removed_since(kafka, declared)) is None:
            pass  # a broker that is slow to answer counts as one that does not
    assert f"the broker does not know {declared.raw.name}, {declared.receipts.name} any more" in removed.message
    assert await topics_admin.removed_since("127.0.0.1:9", declared) is None


async def test_another_namespace_or_count_of_partitions_is_named_before_anything_is_asked_for(
    settings: Settings, declared: Topics
) -> None:
    kafka = address(settings)
    await topics_admin.apply(kafka, declared, clock="live")
    await topics_admin.require_log(kafka, declared)
    other = topics(settings.namespace + "-other", partitions=settings.partitions)
    for require in (topics_admin.require_log, topics_admin.require_log_identity):
        with pytest.raises(CheckFailed, match=r"-other\.\S+ is not there, but those of other namespaces: ") as refused:
            await require(kafka, other)
        assert "--namespace" in refused.value.next_step
    with pytest.raises(CheckFailed, match=r"has 4 partitions, and we are told 7") as refused:
        await topics_admin.require_log(kafka, topics(settings.namespace, partitions=7))
    assert "CARTWHEEL_PARTITIONS to 4" in refused.value.next_step


async def test_a_log_without_identity_is_refused_and_named(settings: Settings, declared: Topics) -> None:
    kafka = address(settings)
    await create(kafka, NewTopic(declared.definitions.name, 1, 1, topic_configs=dict(declared.definitions.config())))
    assert await topics_admin.read_log_identity(kafka, declared) is None
    with pytest.raises(CheckFailed, match=r"definitions\.v1 holds no identity"):
        await topics_admin.require_log_identity(kafka, declared)
    missing = {(found.topic, found.setting) for found in await topics_admin.check(kafka, declared)}
    assert (declared.definitions.name, "identity of the log") in missing


def test_the_commands_speak_json_and_set_exit_codes(settings: Settings) -> None:
    code, answer = cartwheel(settings, "check")
    assert code == 1
    assert f"{settings.namespace}.raw.v1: topic is missing" in answer["error"]
    assert "topics apply" in answer["next"]

    code, answer = cartwheel(settings, "apply", "--clock", "carried")
    assert code == 0
    assert len(answer["created"]) == 10
    assert answer["clock"] == "carried"

    assert cartwheel(settings, "check") == (0, {"differences": []})
    assert cartwheel(settings, "apply")[0] == 1


def cartwheel(settings: Settings, *words: str) -> tuple[int, Any]:
    """Run `cartwheel topics ...` as a user does; the exit code and the JSON that it printed."""
    environ = {
        **os.environ,
        "CARTWHEEL_HOME": str(settings.home),
        "CARTWHEEL_KAFKA": address(settings),
        "CARTWHEEL_PARTITIONS": str(settings.partitions),
    }
    command = [sys.executable, "-m", "agents.cli", "topics", *words, "--json", "--namespace", settings.namespace]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def address(settings: Settings) -> str:
    assert settings.kafka is not None
    return settings.kafka


async def create(kafka: str, topic: NewTopic) -> None:
    """Create a topic by hand, and return once the broker tells of it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([topic])
    async with asyncio.timeout(30):
        while topic.name not in await admin.list_topics():
            await asyncio.sleep(0.02)
    await admin.close()
