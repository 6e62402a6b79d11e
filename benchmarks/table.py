"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from benchmarks.core import Cost
from benchmarks.results import PEER, Results, Spread


def results_table(results: Results) -> RenderableType:
    """One line per system and traffic, and what makes the numbers better or worse than they look."""
    table = Table("traffic", "system", box=None, pad_edge=False)
    for heading in ("CPU us/event", "events/s per core", "events/s", "times our CPU"):
        table.add_column(heading, justify="right")
    for row in results.rows():
        table.add_row(
            row.traffic,
            row.system,
            f"{row.us_per_event.median:.1f}",
            f"{row.events_per_core_second.median:,.0f}",
            f"{row.events_per_second.median:,.0f}",
            spread(row.ratio, ".1f") if row.ratio else "",
        )
    return Group(table, *remarks(results))


def remarks(results: Results) -> list[str]:
    """How the numbers came about, in sentences."""
    config = results.config
    shares = [one.slot.foreign_share for one in results.played if one.slot]
    speeds = [spin.ns_per_turn for one in results.played for spin in (one.before, one.after)]
    pinned = "broker and driver on core 0" if results.broker_pinned else "the broker was NOT pinned"
    failed = [f"{one.system} had no number in round {one.round}." for one in results.played if one.slot is None]
    return [
        *failed,
        f"Medians of {config.rounds} rounds (lowest to highest); ratios are taken round by round, {PEER} is the peer.",
        f"Slots of {config.seconds:g} s after {config.warm_up_seconds:g} s; the system alone on core 1, {pinned}.",
        f"Others took at most {max(shares, default=0):.0%} of core 1; spins before and after the slots were"
        f" {min(speeds, default=0):.1f} to {max(speeds, default=0):.1f} ns a turn.",
    ]


def core_table(costs: Sequence[Cost]) -> RenderableType:
    """One line per round, and what a round did."""
    table = Table(box=None, pad_edge=False)
    for heading in ("round", "CPU us/event", "events/s per core", "states/event", "state bytes/event"):
        table.add_column(heading, justify="right")
    for number, cost in enumerate(costs, start=1):
        table.add_row(
            str(number),
            f"{cost.us_per_event:.1f}",
            f"{1e6 / cost.us_per_event:,.0f}",
            f"{cost.state_records_per_event:.2f}",
            f"{cost.state_bytes_per_event:.0f}",
        )
    did = ", ".join(f"{' '.join(tally)} {count:,}" for tally, count in sorted(costs[0].tallies.items()) if count)
    return Group(table, f"A round: {did}")


def spread(of: Spread, form: str) -> str:
    """`12.3 (11.9 to 13.0)`."""
    if of.low == of.high:
        return format(of.median, form)
    return f"{of.median:{form}} ({of.low:{form}} to {of.high:{form}})"
