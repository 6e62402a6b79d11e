"""A peer as a system under test: what it is given, and the check that it did the job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from agents.console import Console
from agents.topic_reader import read_to_end
from benchmarks.broker import admin, committed, make_empty, rewind
from benchmarks.peers import job
from benchmarks.peers.environments import Built, Environment
from benchmarks.stage import Stage, Wrong, equal, judge_commands
from schemas.topics import Topic

WARM = "-warm"


@dataclass(kw_only=True)
class Peer:
    """One peer in one of its settings. Names of topics may use `{app}` and `{log}`.

    `counted` reads from a state of its changelog how many events went into it. `also` are topics of its own whose
    content nobody looks at. `exact`: it goes by the log's clock, so that there is one right set of commands.
    """

    name: str
    about: str
    environment: Environment
    counted: Callable[[bytes], int]
    changelog: str = "{app}-changelog"
    also: tuple[str, ...] = ()
    store: str = "memory"
    tuned: bool = True
    exact: bool = False
    warms_up: bool = False

    _built: Built | None = None

    def set_up(self, folder: Path, console: Console) -> Mapping[str, str]:
        """Build what is not there yet."""
        self._built = self.environment(folder, console)
        return self._built.versions

    def group(self, stage: Stage) -> str:
        """The name of its application."""
        return f"{stage.namespace}-{self.name}"

    async def prepare(self, stage: Stage) -> None:
        """Its commands and its changelog, with the settings of ours; and the same again for a warm-up before."""
        for ending in ("", WARM) if self.warms_up else ("",):
            states = [self._states_topic(stage, name, ending=ending) for name in (self.changelog, *self.also)]
            await make_empty(stage.kafka, [self._commands(stage, ending=ending), *states])
        if self.warms_up:
            await rewind(stage.kafka, self.group(stage) + WARM, stage.topics.profile_log)

    def command(self, stage: Stage) -> tuple[list[str], dict[str, str]]:
        """Its program with its options, and where its account belongs."""
        assert self._built is not None, "set up before it is started"
        options = job.Options(
            kafka=stage.kafka,
            app=self.group(stage),
            log_topic=stage.topics.profile_log.name,
            commands_topic=self._commands(stage).name,
            changelog_topic=self._states_topic(stage, self.changelog).name,
            partitions=stage.topics.profile_log.partitions,
            folder=str(stage.folder / "state"),
            store=self.store,
            tuned=self.tuned,
            warm_up_seconds=stage.jvm_warm_up_seconds if self.warms_up else 0.0,
        )
        words = [msgspec.json.encode(options).decode(), str(self._account(stage))]
        return [*self._built.command, *words], dict(self._built.environ)

    async def check(self, stage: Stage) -> dict[str, int]:
        """It counts every event once, its changelog holds the sum of what it counted, and its commands add up.

        Who sends by a clock of its own cannot be told which commands are right.
        """
        account = msgspec.json.decode(self._account(stage).read_bytes(), type=job.Account)
        did = Counter(account.did)
        taken = [(stage.references[number], at) for number, at in account.positions.items()]
        duplicates = sum(reference.duplicates(at) for reference, at in taken)
        events = sum(reference.events(at) for reference, at in taken)
        equal("events applied", did["applied"], events - duplicates)
        equal("second copies", did["duplicate"], duplicates)
        states, changelog_bytes = await self._states(stage)
        try:
            counted = sum(map(self.counted, states.values()))
        except (msgspec.MsgspecError, LookupError, TypeError) as error:
            raise Wrong(f"its changelog cannot be read: {error!r}") from error
        equal("events in the changelog", counted, events - duplicates)
        async with admin(stage.kafka) as client:
            positions = await committed(client, self.group(stage), stage.topics.profile_log.name)
        if any(at > account.positions.get(number, 0) for number, at in positions.items()):
            raise Wrong("it committed events that it did not apply")
        equal("checkouts waited for", did["armed"], did["canceled"] + did["sent"] + account.waiting)
        commands = [record async for record in read_to_end(stage.kafka, self._commands(stage))]
        equal("commands", len(commands), did["sent"])
        if self.exact:
            ordered = Counter((one.key, msgspec.json.decode(one.value)["checkout_id"]) for one in commands)
            judge_commands(stage, account.positions, ordered)
        return {"events": events, "commands": len(commands), "changelog_bytes": changelog_bytes}

    async def _states(self, stage: Stage) -> tuple[dict[bytes, bytes], int]:
        """The last state of each profile, and how many bytes of keys and values were written to get there."""
        states: dict[bytes, bytes] = {}
        written = 0
        for name in (self.changelog, *self.also):
            async for record in read_to_end(stage.kafka, self._states_topic(stage, name)):
                written += len(record.key) + len(record.value or b"")
                if name == self.changelog:
                    states[record.key] = record.value
        return states, written

    def _account(self, stage: Stage) -> Path:
        return stage.folder / "account.json"

    def _commands(self, stage: Stage, *, ending: str = "") -> Topic:
        return replace(stage.topics.commands, name=f"{self.group(stage)}-commands{ending}")

    def _states_topic(self, stage: Stage, name: str, *, ending: str = "") -> Topic:
        filled = name.format(app=self.group(stage) + ending, log=stage.topics.profile_log.name)
        return replace(stage.topics.profile_state, name=filled)


def counted_in_json(state: bytes) -> int:
    """Events of a state that is a JSON object with its counters."""
    return sum(msgspec.json.decode(state)["counts"].values())


def counted_in_job(state: bytes) -> int:
    """Events of a state of `job`."""
    return sum(job.unpack(state).counts.values())


def counted_in_java(state: bytes) -> int:
    """Events of a state as `Profile.java` writes it: how many counters, then the name and number of each."""
    numbers = _numbers(state)
    return sum(number for _, number in zip(range(next(numbers)), numbers, strict=False))


def _numbers(state: bytes) -> Iterator[int]:
    """The first number, and then only those after a name."""
    at, named = 0, False
    while True:
        value = shift = 0
        while True:
            byte = state[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        if named:
            at += value
            named = False
            continue
        yield value
        named = True
