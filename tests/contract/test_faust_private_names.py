"""The private names of Faust and its client that the engine rests on are what they were when it was written.

The engine replaces methods that nobody promised to keep. An upgrade that changes one of them, or one that calls them,
must fail here and not in production: read the new source, see `docs/faust-engine.md` for what is expected of it, then
take over the digest that the failure names.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import pkgutil
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from agents.faust_engine.app import EngineApp, EngineSettings, EngineTables, EngineTransport, StateTable
from agents.faust_engine.consumer import EngineConsumer
from agents.faust_engine.producer import EngineProducer

VERSIONS = {
    "faust-streaming": "0.15.3",
    "mode-streaming": "0.7.1",
    "aiokafka": "0.14.0",
    "rocksdict": "0.3.29",
}

#: First twelve digits of the SHA-256 of the source.
SOURCES = {
    "faust.transport.consumer:Consumer.__init__": "302410d59e69",
    "faust.transport.consumer:Consumer._get_active_partitions": "b24897f3c7af",
    "faust.transport.consumer:Consumer._wait_next_records": "6218e1969a63",
    "faust.transport.consumer:Consumer._getmany": "fea4952545b4",
    "faust.transport.consumer:Consumer._drain_messages": "44a2500309e8",
    "faust.transport.consumer:Consumer.perform_seek": "0e8c130ff4b0",
    "faust.transport.consumer:Consumer.on_partitions_revoked": "d04b7ae72c6f",
    "faust.transport.consumer:Consumer.on_partitions_assigned": "29ce96596f05",
    "faust.transport.consumer:Consumer.stop_flow": "cf7e875a2b0d",
    "faust.transport.consumer:Consumer.resume_flow": "db59630f25b5",
    "faust.transport.consumer:Consumer.ack": "5fcf41cf4515",
    "faust.transport.consumer:Consumer.wait_empty": "e4662fe24f09",
    "faust.transport.consumer:Consumer.commit": "a354437baaa0",
    "faust.transport.consumer:Consumer._filter_committable_offsets": "dc5e9baf5d99",
    "faust.transport.consumer:Consumer._should_commit": "5ce941793947",
    "faust.transport.consumer:Consumer._new_offset": "1d2c7ea89a7a",
    "faust.transport.consumer:Consumer._commit_offsets": "1a6979904118",
    "faust.transport.consumer:Consumer.verify_all_partitions_active": "4e0e46f5c297",
    "faust.transport.consumer:Fetcher": "c922e4ab78d9",
    "faust.transport.consumer:ThreadDelegateConsumer": "a1b934b198fa",
    "faust.transport.drivers.aiokafka:ConsumerRebalanceListener": "f3d04f29dfb3",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._create_worker_consumer": "c2701bfc3e6f",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._seek_wait": "9d221e816d94",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._fetch_records": "39a2c6c79fc1",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._ensure_consumer": "ff4a4c693b7e",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.highwater": "6f7dbe109ae6",
    "faust.transport.drivers.aiokafka:Producer._settings_default": "9c39987fb719",
    "faust.transport.drivers.aiokafka:Producer._settings_extra": "a4c7bc41b638",
    "faust.transport.drivers.aiokafka:Producer.on_start": "219c9a7a785d",
    "faust.transport._cython:conductor.pyx": "dde1f9742678",
    "faust._cython:streams.pyx": "0041622f4a25",
    "faust.tables.recovery:Recovery": "a652ef029484",
    "faust.types.settings.base:SettingsRegistry._init_settings": "73b1705b4f9d",
    "faust.tables.manager:TableManager.on_start": "365dd25fbc0e",
    "faust.tables.manager:TableManager._update_channels": "88e3941facc9",
    "faust.tables.manager:TableManager.on_rebalance": "2d2c23a07bf5",
    "faust.tables.base:Collection._changelog_topic_name": "f341fe97037b",
    "faust.tables.base:Collection.on_recovery_completed": "b1526fb39ea0",
    "faust.tables.base:Collection.persisted_offset": "d473d3ab3fd6",
    "faust.stores.rocksdb:RocksDBOptions.open": "ff87e92d69e2",
    "faust.stores.rocksdb:Store._db_for_partition": "cb7e67d5f9ef",
    "faust.stores.rocksdb:Store.persisted_offset": "6f2e502fb860",
    "faust.stores.rocksdb:Store.revoke_partitions": "3f85447a24fc",
    "faust.stores.rocksdb:Store.assign_partitions": "34dc27ace6dd",
    "faust.app.base:App._on_partitions_revoked": "d5c895bbe57d",
    "faust.app.base:App._on_partitions_assigned": "de932b7927db",
    "faust.app.base:App._stop_consumer": "55854a5de12c",
    "faust.assignor.partition_assignor:PartitionAssignor.on_assignment": "72f34bf053d6",
    "mode.services:Service.crash": "14980000465d",
    "mode.services:Service._crash": "7bc0c709a151",
    "mode.services:Service.wait_first": "feade6a31f8a",
    "mode.threads:QueueServiceThread.call_thread": "479edda75b54",
    "aiokafka.producer.producer:AIOKafkaProducer.create_batch": "c4efda4bb7a0",
    "aiokafka.producer.producer:AIOKafkaProducer.send_batch": "bf42b0f0c5c0",
    "aiokafka.producer.message_accumulator:MessageAccumulator.add_batch": "5ed1c5b1367a",
    "aiokafka.producer.message_accumulator:BatchBuilder": "8050802ca751",
    "aiokafka.codec:zstd_encode": "3c7647f3ccfe",
    "aiokafka.codec:zstd_decode": "366f86f6ee72",
    "aiokafka.consumer.fetcher:Fetcher.fetched_records": "be4348896b9b",
    "aiokafka.consumer.fetcher:Fetcher.__init__": "bf21ecb7e0f2",
    "aiokafka.consumer.fetcher:Fetcher._proc_fetch_request": "59bf948fff47",
    "aiokafka.consumer.fetcher:FetchResult": "d7db13f06de8",
    "aiokafka.consumer.fetcher:PartitionRecords": "94aa0da0dbec",
    "aiokafka.consumer.fetcher:Fetcher.seek_to": "f0ba6aba6c22",
    "aiokafka.consumer.group_coordinator:GroupCoordinator.ensure_active_group": "33c84c1a9301",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._do_heartbeat": "dc1d6632aaa6",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._heartbeat_routine": "61d010289522",
    "aiokafka.client:AIOKafkaClient.send": "246b277687d7",
    "aiokafka.client:AIOKafkaClient.ready": "79d9637f40fc",
    "aiokafka.producer.sender:SendProduceReqHandler.do": "2dccd3d56b16",
}

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "faust-engine.md"
#: Of the standard library.
NOT_FAUSTS = {"_exit"}


def digest(name: str) -> str:
    """Of the source of a function or class, or of a compiled module's `.pyx`."""
    if name.endswith(".pyx"):
        package, _, file = name.rpartition(":")
        text = Path(*pkgutil.resolve_name(package).__path__, file).read_text()
    else:
        found = pkgutil.resolve_name(name)
        text = inspect.getsource(getattr(found, "fget", found))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize("distribution", VERSIONS)
def test_the_version_is_the_one_that_was_read(distribution: str) -> None:
    assert metadata.version(distribution) == VERSIONS[distribution]


@pytest.mark.parametrize("name", SOURCES)
def test_the_source_is_the_one_that_was_read(name: str) -> None:
    assert digest(name) == SOURCES[name], f"{name} has changed; see docs/faust-engine.md"


@pytest.mark.parametrize("name", SOURCES)
def test_the_document_says_why_we_touch_it(name: str) -> None:
    attribute = name.rpartition(":")[2]
    assert f"`{attribute}`" in DOCUMENT.read_text(), f"docs/faust-engine.md does not mention {attribute}"


def test_the_document_names_every_private_attribute_that_we_touch() -> None:
    made, touched = set[str](), set[str]()
    for path in (ROOT / "agents" / "faust_engine").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    made.add(name)
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                    made.add(name)
                case ast.Attribute(attr=name) if name.startswith("_") and not name.startswith("__"):
                    touched.add(name)
    document = DOCUMENT.read_text()
    assert [name for name in sorted(touched - made - NOT_FAUSTS) if f"{name}`" not in document] == []


@pytest.mark.parametrize(
    ("ours", "own"),
    [
        (
            EngineConsumer,
            {
                "_hand_over",
                "_give_back",
                "_heal",
                "_restore",
                "_message",
                "_commit_in_thread",
                "_refuse_to_seek",
                "check_changelog",
            },
        ),
        (EngineProducer, set()),
        (EngineTables, set()),
        (EngineSettings, set()),
        (EngineApp, {"touch", "mark_started", "mark_stopped"}),
        (StateTable, set()),
        (EngineTransport, set()),
    ],
)
def test_every_override_overrides_something(ours: type[Any], own: set[str]) -> None:
    methods = {name: method for name, method in vars(ours).items() if inspect.isfunction(method)}
    assert own <= set(methods)
    for name in set(methods) - own:
        base = getattr(ours.__mro__[1], name, None)
        assert base is not None, f"{ours.__name__}.{name} overrides nothing any more"
        assert inspect.iscoroutinefunction(methods[name]) == inspect.iscoroutinefunction(inspect.unwrap(base)), name
