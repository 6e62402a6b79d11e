"""The comparisons behind the slopes: their two sides, and what is read from them."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

from benchmarks.core import FLOW_FILE
from benchmarks.systems import FLOWS
from benchmarks.traffic import drafts
from benchmarks.workloads.cost import Cost, Side
from benchmarks.workloads.people import anybody_of
from benchmarks.workloads.results import Reading
from schemas.catalog import BY_SHORT
from schemas.topics import DEFAULT_PARTITIONS

SEEDED_FLOWS = Path(__file__).parent / "flows" / "timers"
CAMPAIGNS = 50
MIB_PER_GIB = 1024.0


def people(few: int, many: int) -> tuple[Side, Side]:
    """W6: any of so many people may come, and all of them have a profile with a timer."""

    def side(size: int) -> Side:
        stream = anybody_of(size, drafts(seed=1, kind="uniform"))
        return Side(stream=stream, flows=SEEDED_FLOWS, partitions=DEFAULT_PARTITIONS, seeded=size)

    return side(few), side(many)


def partitions(few: int, many: int) -> tuple[Side, Side]:
    """W7: the same traffic on so many partitions."""

    def side(count: int) -> Side:
        stream = drafts(seed=1, kind="session")
        return Side(stream=stream, flows=FLOWS, partitions=count)

    return side(few), side(many)


def flows(folder: Path, *, many: int) -> tuple[Side, Side]:
    """W7: one flow, or many, the others triggered by all types of events in turn, each for a campaign of its own."""
    (folder / FLOW_FILE.name).write_bytes(FLOW_FILE.read_bytes())
    for number, event in islice(enumerate(cycle(sorted(BY_SHORT))), many - 1):
        (folder / f"flow_{number}.yaml").write_text(_other_flow(number, event))

    def side(where: Path) -> Side:
        return Side(stream=drafts(seed=1, kind="session"), flows=where, partitions=DEFAULT_PARTITIONS)

    return side(FLOWS), side(folder)


def _other_flow(number: int, event: str) -> str:
    return f"""flow: other_{number}
entry:
  trigger: {{ event: {event} }}
  where: {{ campaign: {{ eq: campaign-{number % CAMPAIGNS} }} }}
  reentry: {{ min_gap: 7d, from: start }}
exit:
  - when: {{ event: order_placed }}
    reason: bought
steps:
  - wait: {{ for: 4h }}
  - label: tell
    send: {{ template: other, channel: log, class: marketing }}
"""


def reading(few: Cost, many: Cost, *, more: float) -> Reading:
    """How much more of everything the second side takes. `more`: by how many it is larger, which are people, or so."""
    added_gib = (many.slot.memory_mib - few.slot.memory_mib) / MIB_PER_GIB
    return Reading(
        values={
            "slope %": (many.slot.us_per_event / few.slot.us_per_event - 1) * 100,
            "GiB per million": added_gib / more * 1e6,
            **{f"few: {name}": value for name, value in _values(few).items()},
            **{f"many: {name}": value for name, value in _values(many).items()},
        }
    )


def _values(cost: Cost) -> dict[str, float]:
    return {
        "us per event": cost.slot.us_per_event,
        "events per second": cost.slot.events / cost.slot.wall_seconds,
        "memory MiB": cost.slot.memory_mib,
        "changelog bytes per event": cost.changelog_bytes_per_event,
        "changelog records per event": cost.changelog_records_per_event,
        "gc p99 ms": cost.gc_p99_ms,
        "foreign share": cost.slot.foreign_share,
    }
