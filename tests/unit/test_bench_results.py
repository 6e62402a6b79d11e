"""What the benchmarks make of their measurements: ratios round by round, the table, the page and its plot."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from msgspec.structs import replace

from agents.errors import CheckFailed
from benchmarks import page
from benchmarks.commands import FULL, judge
from benchmarks.gates import GATES, Gate, judged
from benchmarks.machine import Calibration
from benchmarks.plot import bars
from benchmarks.results import Played, Results, Spread, joined, read, save
from benchmarks.slot import Slot

SPIN = Calibration(ns_per_turn=40.0, cpu_share=1.0)


def played(number: int, system: str, us_per_event: float | None) -> Played:
    """One turn; without a cost it was wrong."""
    slot = None
    if us_per_event is not None:
        slot = Slot(
            events=1_000_000,
            wall_seconds=20.0,
            cpu_seconds=us_per_event,
            foreign_share=0.02,
            memory_mib=100.0,
            did={"events": 2_000_000, "changelog_bytes": 600_000_000},
        )
    wrong = None if slot else "1 commands missing"
    return Played(round=number, traffic="session", system=system, before=SPIN, after=SPIN, slot=slot, wrong=wrong)


def results(*turns: Played) -> Results:
    """Of these turns."""
    return Results(
        begun_at="2026-11-21T10:00:00+00:00",
        machine={
            "cpu": "A & B", "cores": 2, "memory_gib": 23.4, "system": "Linux", "python": "3.11", "packages": {"x": "1"}
        },
        broker_pinned=True,
        config=replace(FULL, traffics=("session",)),
        systems={"cartwheel": "ours", "faust-tuned": "the peer"},
        played=turns,
        versions={"faust-tuned": {"java": "25.0.2", "other": "1"}},
        left_out={"bytewax": "there is no Python for it"},
    )  # fmt: skip


THREE = results(
    played(1, "cartwheel", 20.0), played(1, "faust-tuned", 180.0),
    played(2, "cartwheel", 25.0), played(2, "faust-tuned", 200.0),
    played(3, "cartwheel", 20.0), played(3, "faust-tuned", 200.0),
)  # fmt: skip


def test_a_ratio_is_taken_within_a_round_and_its_median_over_rounds() -> None:
    ours, peer = THREE.rows()
    assert ours.ratio == Spread(median=1.0, low=1.0, high=1.0)
    assert ours.us_per_event == Spread(median=20.0, low=20.0, high=25.0)
    assert ours.events_per_core_second == Spread(median=50_000.0, low=40_000.0, high=50_000.0)
    assert peer.ratio == Spread(median=9.0, low=8.0, high=10.0)


def of_uniform(run: Results) -> Results:
    """The same turns under the other traffic, an hour later."""
    turns = tuple(replace(one, traffic="uniform") for one in run.played)
    config = replace(run.config, traffics=("uniform",))
    return replace(run, played=turns, config=config, begun_at="2026-11-21T11:00:00+00:00")


def test_a_run_of_one_traffic_keeps_the_other() -> None:
    both = joined(THREE, of_uniform(THREE))
    assert [(row.traffic, row.system) for row in both.rows()] == [
        (traffic, system) for traffic in ("session", "uniform") for system in ("cartwheel", "faust-tuned")
    ]
    assert (both.begun_at, both.earlier) == ("2026-11-21T11:00:00+00:00", {"session": THREE.begun_at})
    assert joined(both, THREE).earlier == {"uniform": both.begun_at}
    assert joined(THREE, THREE) == THREE
    fewer = replace(of_uniform(THREE), config=replace(of_uniform(THREE).config, systems=("cartwheel",)))
    assert joined(THREE, fewer).config.systems == THREE.config.systems


def test_but_not_what_was_told_or_made_otherwise() -> None:
    slower = replace(THREE, config=replace(THREE.config, rounds=3))
    assert joined(slower, of_uniform(THREE)) == of_uniform(THREE)
    older = replace(THREE, versions={"faust-tuned": {"java": "21", "other": "1"}})
    assert joined(older, of_uniform(THREE)) == of_uniform(THREE)


def test_a_round_in_which_somebody_was_wrong_gives_no_ratio() -> None:
    rows = results(
        played(1, "cartwheel", None), played(1, "faust-tuned", 180.0),
        played(2, "cartwheel", 30.0), played(2, "faust-tuned", 240.0),
    ).rows()  # fmt: skip
    assert rows[1].ratio == Spread(median=8.0, low=8.0, high=8.0)
    assert results(played(1, "cartwheel", None)).rows() == []


def test_a_wrong_slot_or_a_missed_gate_fails_the_run() -> None:
    judge(THREE, gates=False)
    with pytest.raises(CheckFailed, match=r"gates .*faust-tuned, session; .*quix, uniform"):
        judge(THREE, gates=True)
    with pytest.raises(CheckFailed, match="round 1: 1 commands missing"):
        judge(results(played(1, "cartwheel", None)), gates=False)
    with pytest.raises(CheckFailed, match="faust-tuned has no number"):
        judge(results(played(1, "cartwheel", 20.0), played(1, "faust-tuned", None)), gates=False)


@pytest.mark.parametrize(
    ("must", "us_per_event", "verdict"),
    [
        (10, 90, "MISSED"),
        (10, 100, "must"),
        (10, 179, "must"),
        (10, 180, "aim"),
        (None, 10, "published"),
        (None, 180, "aim"),
    ],
)
def test_a_gate_is_judged_by_the_median(must: float | None, us_per_event: float, verdict: str) -> None:
    (row,) = results(played(1, "cartwheel", 10.0), played(1, "faust-tuned", us_per_event)).rows()[1:]
    assert Gate(traffic="session", system="faust-tuned", must=must, aim=18).judge(row.ratio) == verdict


def test_every_gate_is_shown_even_without_a_number() -> None:
    verdicts = {(gate.system, gate.traffic): verdict for gate, _, verdict in judged(THREE)}
    assert verdicts[("faust-tuned", "session")] == "MISSED"
    assert verdicts[("quix", "uniform")] == "not measured"
    assert len(verdicts) == len(GATES)


def test_results_survive_their_file(tmp_path: Path) -> None:
    save(THREE, tmp_path / "latest.json")
    assert read(tmp_path / "latest.json") == THREE


def test_the_page_has_every_row_and_the_plot_every_bar() -> None:
    text = page.measured(THREE)
    assert (
        "| session | faust-tuned | 200.0 (180.0 to 200.0) | 5,000 (5,000 to 5,556) | 300 | 9.00 (8.00 to 10.00) |"
        in text
    )
    assert "| faust-tuned, session | ≥ 10 | ≥ 18 | 9.00 (8.00 to 10.00) | MISSED |" in text
    assert "- `faust-tuned`: the peer (java 25.0.2)" in text
    assert "bytewax was left out: there is no Python for it." in text
    drawing = ElementTree.fromstring(bars(THREE))
    assert len(drawing.findall(".//{*}rect")) == 1 + len(THREE.rows())


def test_the_page_keeps_what_is_written_by_hand(tmp_path: Path) -> None:
    (tmp_path / page.PAGE).write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    page.write(THREE, tmp_path)
    written = (tmp_path / page.PAGE).read_text()
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "old" not in written
    assert (tmp_path / page.PLOT).exists()
