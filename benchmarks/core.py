"""The core alone: what one event costs in `streams.partition.Partition`, without Kafka, Faust or a disk.

The way to find out where the core spends its time, and whether a change made it better.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from benchmarks.traffic import Kind, drafts
from schemas import codec
from schemas.control import TICK_KEY, Tick
from schemas.flow import Flow
from schemas.instants import to_wire
from streams.flowfile import load
from streams.partition import Partition, Record
from streams.program import build

FLOW_FILE = Path(__file__).parent / "flows" / "abandoned_checkout.yaml"
STARTED_AT = 1_790_000_000_000
TICK_MS = 50
EVENTS_PER_SECOND = 20_000  # of the log's own time
LINES_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What to run. `unit` is how many records share a unit of work, as fetched batches of the worker do."""

    kind: Kind
    events: int
    flows: int
    unit: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one round cost, and what came out, so that rounds that did something else are not compared."""

    us_per_event: float
    state_records_per_event: float
    state_bytes_per_event: float
    tallies: Counter[tuple[str, ...]]


def run(setup: Setup, *, rounds: int) -> list[Cost]:
    """Every round begins with an empty partition and takes the same records."""
    same = records(setup)
    return [_round(setup, same) for _ in range(rounds)]


def profile(setup: Setup) -> None:
    """Print where one round spends its time. The profiler slows calls down: read shares, not microseconds."""
    profiler = cProfile.Profile()
    _round(setup, records(setup), profiler)
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(LINES_SHOWN)


def flows(count: int) -> list[Flow]:
    """The flow of the benchmarks, under as many names as wanted."""
    flow = load(FLOW_FILE.read_text(), name=FLOW_FILE.name)
    return [msgspec.structs.replace(flow, name=f"{flow.name}_{number}") for number in range(count)]


def _round(setup: Setup, log: Sequence[Record], profiler: cProfile.Profile | None = None) -> Cost:
    store: dict[bytes, bytes] = {}
    partition = Partition(
        program=build(flows(setup.flows)), topic="benchmark", number=0, clock="live", incarnation="benchmark",
        load=store.get, record=None,
    )  # fmt: skip
    tallies: Counter[tuple[str, ...]] = Counter()
    states = state_bytes = 0
    gc.collect()
    gc.freeze()
    begun = time.process_time()
    with profiler or nullcontext():
        for start in range(0, len(log), setup.unit):
            tallies.update(partition.process(log[start : start + setup.unit]).tallies)
            changed = partition.snapshot().states
            store.update(changed)
            partition.settled()
            states += len(changed)
            state_bytes += sum(len(state) for _, state in changed)
    seconds = time.process_time() - begun
    gc.unfreeze()
    return Cost(
        us_per_event=seconds / setup.events * 1e6,
        state_records_per_event=states / setup.events,
        state_bytes_per_event=state_bytes / setup.events,
        tallies=tallies,
    )


def records(setup: Setup) -> list[Record]:
    """Events, and a tick as a live owner appends it: whenever 50 ms have passed."""
    log: list[Record] = []
    ticked_at = STARTED_AT
    for number, draft in enumerate(islice(drafts(seed=setup.seed, kind=setup.kind), setup.events)):
        now = STARTED_AT + number * 1000 // EVENTS_PER_SECOND
        if now - ticked_at >= TICK_MS:
            ticked_at = now
            log.append(Record(len(log), now, TICK_KEY, codec.encode(Tick(through=to_wire(now)))))
        log.append(Record(len(log), now, draft.key, draft.at(now)))
    return log
