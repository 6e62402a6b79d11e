"""The systems under test: how each is started from nothing, and whether what it did was right."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from agents.console import Console
from agents.topic_reader import read_to_end
from benchmarks.broker import make_empty
from benchmarks.peers import environments
from benchmarks.peers.peer import Peer, counted_in_java, counted_in_job, counted_in_json
from benchmarks.stage import Stage, System, Wrong, judge_commands
from schemas import codec
from schemas.command import Command

FLOWS = Path(__file__).parent / "flows"
JAVA_OPTIONS = (
    "-XX:ActiveProcessorCount=1",
    "-XX:+UseParallelGC",
    "-Xms2g",
    "-Xmx2g",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


class Cartwheel:
    """The worker, as `cartwheel worker` starts it."""

    name = "cartwheel"
    about = "cartwheel worker: RocksDB store, changelog, commands, decisions; settings as shipped"

    def set_up(self, folder: Path, console: Console) -> Mapping[str, str]:
        """It is here."""
        return {}

    def group(self, stage: Stage) -> str:
        """As the worker names it."""
        return f"{stage.namespace}.worker"

    async def prepare(self, stage: Stage) -> None:
        """Everything that the worker writes; the log and its identity stay."""
        topics = stage.topics
        await make_empty(stage.kafka, [topics.profile_state, topics.commands, topics.decisions, topics.dead_letters])

    def command(self, stage: Stage) -> tuple[list[str], dict[str, str]]:
        """What the console command runs. It leaves its group when it stops, so that the group can be rewound."""
        return [sys.executable, "-m", "agents.cli", "worker", "--flows", str(FLOWS), "--dynamic"], {
            "CARTWHEEL_HOME": str(stage.folder),
            "CARTWHEEL_CACHE": str(stage.cache),
            "CARTWHEEL_KAFKA": stage.kafka,
            "CARTWHEEL_NAMESPACE": stage.namespace,
            "CARTWHEEL_PARTITIONS": str(stage.topics.profile_log.partitions),
        }

    async def check(self, stage: Stage) -> dict[str, int]:
        """Each command of the prefix that it has processed exactly once, and no other."""
        positions: dict[int, int] = {}
        changelog_bytes = 0
        async for record in read_to_end(stage.kafka, stage.topics.profile_state):
            changelog_bytes += len(record.key) + len(record.value or b"")
            if record.key == codec.PARTITION_KEY:
                positions[record.partition] = codec.unpack_partition(record.value).position
        ordered: Counter[tuple[bytes, str]] = Counter()
        ids: set[str] = set()
        async for record in read_to_end(stage.kafka, stage.topics.commands):
            command = codec.decode_order(record.value)
            if not isinstance(command, Command):
                continue
            ordered[(record.key, command.variables["trigger"]["checkout_id"])] += 1
            ids.add(command.command_id)
        judge_commands(stage, positions, ordered)
        if len(ids) != sum(ordered.values()):
            raise Wrong(f"{sum(ordered.values())} commands have {len(ids)} ids")
        return {"events": stage.events(positions), "commands": len(ids), "changelog_bytes": changelog_bytes}


def _faust(*, name: str, about: str, tuned: bool = True, store: str = "memory") -> Peer:
    return Peer(
        name=name,
        about=about,
        environment=environments.own("benchmarks.stock_faust"),
        counted=counted_in_json,
        changelog="{app}-profiles-changelog",
        tuned=tuned,
        store=store,
    )


def _kafka_streams(*, name: str, about: str, store: str) -> Peer:
    return Peer(
        name=name,
        about=about,
        environment=environments.jvm("kafka-streams", "peer.Main", options=JAVA_OPTIONS),
        counted=counted_in_java,
        changelog="{app}-profiles-changelog",
        also=("{app}-due-changelog",),
        store=store,
        warms_up=True,
    )


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        Cartwheel(),
        Peer(
            name="plain-loop",
            about="a loop on aiokafka without a framework; packed states in memory, changelog and commit once a second",
            environment=environments.own("benchmarks.peers.plain_loop"),
            counted=counted_in_job,
            exact=True,
        ),
        _faust(name="faust-tuned", about="a Faust agent with a table in memory; uvloop, loggers at WARNING, lz4"),
        _faust(name="faust-naive", about="the same agent with Faust's defaults, table in memory", tuned=False),
        _faust(name="faust-rocksdb", about="faust-tuned with its table in RocksDB", store="rocksdb"),
        Peer(
            name="quix",
            about="Quix Streams: a stateful apply, RocksDB with changelog, commit once a second, lz4",
            environment=environments.python("quix", "benchmarks.peers.quix_app", newest=(3, 13)),
            counted=counted_in_job,
            changelog="changelog__{app}--{log}--default",
        ),
        Peer(
            name="bytewax",
            about="Bytewax: a stateful step with notifications, recovery store, each changed state to a changelog, lz4",
            environment=environments.python("bytewax", "benchmarks.peers.bytewax_flow", newest=(3, 12)),
            counted=counted_in_job,
        ),
        _kafka_streams(
            name="kafka-streams-rocksdb",
            about="Kafka Streams: Processor API, one thread, stores in RocksDB with the default cache, lz4",
            store="rocksdb",
        ),
        _kafka_streams(
            name="kafka-streams-memory",
            about="the same with stores in memory and a cache of 256 MiB",
            store="memory",
        ),
    )
}
