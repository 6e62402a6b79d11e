"""Replay: recorded events through one flow, without a broker: our core, a naive interpreter, `cartwheel replay`.

All take the same events in turn, round after round, and must order the same messages. The core and the interpreter get
records as they stand on the profile log; `cartwheel replay` gets a file, and parses and checks every line first.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from agents.errors import CheckFailed
from agents.garbage import seldom_collected
from agents.replaying import RECORDS_AT_ONCE, replay
from benchmarks import machine
from benchmarks.core import EVENTS_PER_SECOND, FLOW_FILE, STARTED_AT
from benchmarks.naive import Naive, Sent
from benchmarks.results import FOLDER, Spread
from benchmarks.traffic import Kind, drafts
from schemas.command import Command
from schemas.identity import profile_key
from schemas.instants import from_wire
from streams.flowfile import load
from streams.partition import Record
from streams.rehearsal import Rehearsal

REPLAYS = FOLDER / "replay.json"
MUST = 40_000  # events per second and core
AIM = 100_000

Play = Callable[[], list[Sent]]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """All rounds: microseconds of CPU per event, by who took them."""

    schema: str = "cartwheel.replay.v1"
    begun_at: str
    machine: dict[str, Any]
    traffic: Kind
    events: int
    sent: int
    us_per_event: dict[str, tuple[float, ...]]

    def rate(self, name: str) -> Spread:
        """Events per second and core."""
        return Spread.of([1e6 / us for us in self.us_per_event[name]])

    def ratio(self, name: str) -> Spread:
        """How many times the CPU of our core, round by round."""
        return Spread.of(
            [us / ours for us, ours in zip(self.us_per_event[name], self.us_per_event["core"], strict=True)]
        )


def measure(*, kind: Kind, events: int, rounds: int, seed: int) -> Measured:
    """Take turns. Raises CheckFailed if somebody orders other messages than the rest."""
    begun_at = datetime.now(UTC).isoformat(timespec="seconds")
    log = list(records(kind=kind, events=events, seed=seed))
    taken: dict[str, list[float]] = {}
    found: dict[str, Counter[Sent]] = {}
    with tempfile.TemporaryDirectory() as folder, seldom_collected():  # as `cartwheel replay` and the worker have it
        for _ in range(rounds):
            for name, play in _players(log, Path(folder)).items():
                us, sent = _timed(play, events=events)
                taken.setdefault(name, []).append(us)
                found[name] = Counter(sent)
                require_same(found, name)
    return Measured(
        begun_at=begun_at,
        machine=machine.describe(),
        traffic=kind,
        events=events,
        sent=found["core"].total(),
        us_per_event={name: tuple(values) for name, values in taken.items()},
    )


def records(*, kind: Kind, events: int, seed: int) -> Iterator[Record]:
    """Events as a profile log with a carried clock holds them."""
    for number, draft in enumerate(islice(drafts(seed=seed, kind=kind), events)):
        now = STARTED_AT + number * 1000 // EVENTS_PER_SECOND
        yield Record(number, now, draft.key, draft.at(now))


def save(measured: Measured, path: Path = REPLAYS) -> None:
    """As JSON for people and programs."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=2) + b"\n")


def _players(log: Sequence[Record], folder: Path) -> Mapping[str, Play]:
    text = FLOW_FILE.read_text()
    flow = load(text, name=FLOW_FILE.name)
    file = folder / "events.jsonl"
    if not file.exists():
        file.write_bytes(b"".join(record.value + b"\n" for record in log))

    def core() -> list[Sent]:
        rehearsal = Rehearsal([flow])
        for start in range(0, len(log), RECORDS_AT_ONCE):
            rehearsal.feed(log[start : start + RECORDS_AT_ONCE])
        rehearsal.finish()
        return messages(rehearsal.commands)

    def naive() -> list[Sent]:
        interpreter = Naive(text)
        interpreter.take(log)
        interpreter.finish()
        return interpreter.sent

    return {"core": core, "naive": naive, "file": lambda: messages(replay([flow], file).rehearsal.commands)}


def messages(commands: Iterable[Command]) -> list[Sent]:
    """Commands as the naive interpreter tells them."""
    return [
        Sent(profile_key(tenant=one.tenant, profile_id=one.profile_id), one.step, from_wire(one.decided_at))
        for one in commands
    ]


def _timed(play: Play, *, events: int) -> tuple[float, list[Sent]]:
    gc.collect()
    gc.freeze()
    begun = time.process_time()
    sent = play()
    seconds = time.process_time() - begun
    gc.unfreeze()
    return seconds / events * 1e6, sent


def require_same(found: Mapping[str, Counter[Sent]], name: str) -> None:
    """Raises CheckFailed unless this one has sent what the core has, and something at all."""
    wrong = (found["core"] - found[name]) + (found[name] - found["core"])
    if wrong or not found[name]:
        raise CheckFailed(
            f"{name} and the core differ in {wrong.total()} messages, such as {next(iter(wrong), None)}",
            next_step="no number counts until this is understood",
        )
