"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Column, Table

from benchmarks.core import Cost
from benchmarks.gates import judged
from benchmarks.replay import AIM, MUST, Measured
from benchmarks.results import Results, Spread

HEADINGS = ("CPU us/event", "events/s per core", "changelog B/event", "times our CPU")
GATE_HEADINGS = ("events per second and core, times those of", "must", "aim", "measured", "verdict")


def results_table(results: Results) -> RenderableType:
    """One line per system and traffic, the gates, and what makes the numbers better or worse than they look."""
    table = Table("traffic", Column("system", no_wrap=True), box=None, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for cells in rows(results):
        table.add_row(*cells)
    gates = Table(*GATE_HEADINGS, box=None, pad_edge=False)
    for cells in gate_rows(results):
        gates.add_row(*cells)
    return Group(table, "", gates, "", *remarks(results))


def rows(results: Results) -> Iterator[tuple[str, ...]]:
    """Of every system that has a number: its cells, as text."""
    for row in results.rows():
        written = row.changelog_bytes_per_event
        yield (
            row.traffic,
            row.system,
            spread(row.us_per_event, ".1f"),
            spread(row.events_per_core_second, ",.0f"),
            spread(written, ",.0f") if written else "",
            spread(row.ratio, ".2f") if row.ratio else "",
        )


def gate_rows(results: Results) -> Iterator[tuple[str, ...]]:
    """Of every gate: its cells, as text."""
    for gate, found, verdict in judged(results):
        must = "published" if gate.must is None else f"≥ {gate.must:g}"
        measured = spread(found, ".2f") if found else ""
        yield f"{gate.system}, {gate.traffic}", must, f"≥ {gate.aim:g}", measured, verdict


def remarks(results: Results) -> list[str]:
    """How the numbers came about, in sentences."""
    config = results.config
    shares = [one.slot.foreign_share for one in results.played if one.slot]
    speeds = [spin.ns_per_turn for one in results.played for spin in (one.before, one.after)]
    pinned = "broker and driver on core 0" if results.broker_pinned else "the broker was NOT pinned"
    failed = [
        f"{one.traffic}: {one.system} had no number in round {one.round}." for one in results.played if one.slot is None
    ]
    return [
        *(f"{name} was left out: {why}." for name, why in results.left_out.items()),
        *failed,
        f"Medians of {config.rounds} rounds (lowest to highest); ratios and gates are taken round by round.",
        f"Slots of {config.seconds:g} s after {config.warm_up_seconds:g} s, a JVM warmed up for"
        f" {config.jvm_warm_up_seconds:g} s before; the system alone on core 1, {pinned}.",
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


def replay_table(measured: Measured) -> RenderableType:
    """One line for each way to replay, and what must be reached."""
    table = Table("", box=None, pad_edge=False)
    for heading in ("events/s per core", "times the CPU of the core"):
        table.add_column(heading, justify="right")
    for name in measured.us_per_event:
        table.add_row(name, spread(measured.rate(name), ",.0f"), spread(measured.ratio(name), ".2f"))
    did = f"{measured.events:,} events, {measured.sent:,} messages, the same of all"
    return Group(table, f"{did}. The core must take {MUST:,} events per second, and aims at {AIM:,}.")


def spread(of: Spread, form: str) -> str:
    """`12.3 (11.9 to 13.0)`."""
    if of.low == of.high:
        return format(of.median, form)
    return f"{of.median:{form}} ({of.low:{form}} to {of.high:{form}})"
