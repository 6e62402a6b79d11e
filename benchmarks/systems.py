"""The systems under test: how each is started from nothing, and whether what it did was right."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec

from agents.topic_reader import read_to_end
from benchmarks import stock_faust
from benchmarks.broker import admin, committed, make_empty
from benchmarks.stage import Stage, System, Wrong
from schemas import codec
from schemas.command import Command
from schemas.topics import Topic

FLOWS = Path(__file__).parent / "flows"
EXAMPLES_MAX = 3


class Cartwheel:
    """The worker, as `cartwheel worker` starts it."""

    name = "cartwheel"
    about = "cartwheel worker: RocksDB store, changelog, commands, decisions; settings as shipped"

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
        positions = {
            record.partition: codec.unpack_partition(record.value).position
            async for record in read_to_end(stage.kafka, stage.topics.profile_state)
            if record.key == codec.PARTITION_KEY
        }
        ordered: Counter[tuple[bytes, str]] = Counter()
        ids: set[str] = set()
        async for record in read_to_end(stage.kafka, stage.topics.commands):
            command = codec.decode(record.value, Command)
            ordered[(record.key, command.variables["trigger"]["checkout_id"])] += 1
            ids.add(command.command_id)
        wanted = Counter(
            (due.key, due.checkout_id)
            for number, reference in enumerate(stage.references)
            for due in reference.commands(positions.get(number, 0))
        )
        _refuse("missing", wanted - ordered)
        _refuse("not wanted", ordered - wanted)
        if len(ids) != sum(ordered.values()):
            raise Wrong(f"{sum(ordered.values())} commands have {len(ids)} ids")
        return {"events": stage.events(positions), "commands": len(ids)}


class StockFaust:
    """The peer, in one of its settings."""

    def __init__(self, *, name: str, about: str, tuned: bool = True, store: str = "memory://") -> None:
        self.name, self.about = name, about
        self._tuned, self._store = tuned, store

    def group(self, stage: Stage) -> str:
        """Faust's app id."""
        return f"{stage.namespace}-{self.name}"

    async def prepare(self, stage: Stage) -> None:
        """Its commands and its changelog, with the settings of ours."""
        await make_empty(stage.kafka, [self._commands(stage), self._changelog(stage)])

    def command(self, stage: Stage) -> tuple[list[str], dict[str, str]]:
        """The program of the peer with its options."""
        options = stock_faust.Options(
            kafka=stage.kafka,
            app=self.group(stage),
            log_topic=stage.topics.profile_log.name,
            commands_topic=self._commands(stage).name,
            partitions=stage.topics.profile_log.partitions,
            folder=str(stage.folder / "faust"),
            store=self._store,
            tuned=self._tuned,
        )
        words = msgspec.json.encode(options).decode()
        return [sys.executable, "-m", stock_faust.__name__, words, str(self._account(stage))], {}

    async def check(self, stage: Stage) -> dict[str, int]:
        """It counts every event once, its changelog holds the sum of what it counted, and its commands add up.

        It sends by its own clock, so there is no telling which commands are right; see its docstring.
        """
        account = msgspec.json.decode(self._account(stage).read_bytes(), type=stock_faust.Account)
        did = Counter(account.did)
        taken = [(stage.references[number], at) for number, at in account.positions.items()]
        duplicates = sum(reference.duplicates(at) for reference, at in taken)
        events = sum(reference.events(at) for reference, at in taken)
        _equal("events applied", did["applied"], events - duplicates)
        _equal("second copies", did["duplicate"], duplicates)
        states = {record.key: record.value async for record in read_to_end(stage.kafka, self._changelog(stage))}
        counted = sum(sum(codec.parse(state)["counts"].values()) for state in states.values())
        _equal("events in the changelog", counted, events - duplicates)
        async with admin(stage.kafka) as client:
            positions = await committed(client, self.group(stage), stage.topics.profile_log.name)
        if any(at > account.positions.get(number, 0) for number, at in positions.items()):
            raise Wrong("it committed events that it did not apply")
        _equal("checkouts waited for", did["armed"], did["canceled"] + did["sent"] + account.waiting)
        commands = [record async for record in read_to_end(stage.kafka, self._commands(stage))]
        _equal("commands", len(commands), did["sent"])
        return {"events": events, "commands": len(commands)}

    def _account(self, stage: Stage) -> Path:
        return stage.folder / "account.json"

    def _commands(self, stage: Stage) -> Topic:
        return replace(stage.topics.commands, name=f"{self.group(stage)}-commands")

    def _changelog(self, stage: Stage) -> Topic:
        return replace(stage.topics.profile_state, name=f"{self.group(stage)}-profiles-changelog")


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        Cartwheel(),
        StockFaust(name="faust-tuned", about="a Faust agent with a table in memory; uvloop, loggers at WARNING, lz4"),
        StockFaust(name="faust-naive", about="the same agent with Faust's defaults, table in memory", tuned=False),
        StockFaust(name="faust-rocksdb", about="faust-tuned with its table in RocksDB", store="rocksdb://"),
    )
}


def _refuse(what: str, commands: Counter[tuple[bytes, str]]) -> None:
    if commands:
        examples = ", ".join(f"{key.decode()} {checkout}" for key, checkout in list(commands)[:EXAMPLES_MAX])
        raise Wrong(f"{commands.total()} commands {what}, such as {examples}")


def _equal(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise Wrong(f"{what}: {found}, expected {expected}")
