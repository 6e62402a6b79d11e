"""How far sources are that messages wait for, as seen from outside: a watermark that stands still is no secret."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from agents.cli.status_tables import draw
from agents.stack import Member
from agents.stack.process import Running
from agents.worker.observer import Observer
from agents.worker.pages import WorkerPage
from agents.worker.report import SourceReport, WorkerReport
from agents.worker.series import OTHER, SOURCE_LABELS_MAX
from schemas.steps import Gate
from tests.unit.stage import ORDERS, Stage, at, checkout, event, flow, mark, order, send, settle, wait
from tests.unit.test_worker_metrics import Owned, Watched

CARTS = "shop.carts"


def guarded(*sources: str | Gate, status: str = "live", name: str = "reminder") -> Stage:
    """A partition with one flow that has a gate."""
    made = flow(wait(15), settle(*sources), send(), name=name)
    return Stage(msgspec.structs.replace(made, status=status), clock="live")


def through(watched: Watched, source: str = ORDERS) -> float | None:
    return watched.page().get(f"cartwheel_source_watermark_timestamp_seconds source={source}")


def held(watched: Watched, source: str = ORDERS) -> float | None:
    return watched.page().get(f"cartwheel_settle_holds source={source}")


def test_a_watermark_that_stands_still_gets_older(tmp_path: Path) -> None:
    """Semantics 6.1: what a source has promised; 6.2: who waits for more than that."""
    watched = Watched(guarded(), tmp_path).play([checkout("10:00"), checkout("10:01", who="bob")])
    watched.stage.tick("10:05", through="10:05", marks=[mark("10:04")])
    assert (through(watched), held(watched)) == (at("10:04") / 1000, 0)
    watched.stage.tick("10:30", through="10:30")
    assert (through(watched), held(watched)) == (at("10:04") / 1000, 2), "nothing new from the source: both wait"
    watched.now = at("10:30")
    watched.page()
    assert [one.age_seconds for one in watched.report.sources] == [26 * 60]
    watched.stage.event(order("10:20", who="bob"), "10:31")
    assert held(watched) == 1, "an exit ends it at the gate"
    watched.stage.tick("10:32", through="10:31", marks=[mark("10:30")])
    assert (through(watched), held(watched)) == (at("10:30") / 1000, 0)
    assert len(watched.stage.commands) == 1


def test_a_source_that_has_never_said_anything_is_as_old_as_can_be(tmp_path: Path) -> None:
    """Semantics 6.1: it is incomplete, and no older one is there to be alerted by."""
    watched = Watched(guarded(ORDERS, CARTS), tmp_path)
    watched.stage.tick("10:05", marks=[mark("10:04")])
    assert (through(watched), through(watched, CARTS)) == (at("10:04") / 1000, 0)


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([ORDERS], "10:01"),
        ([Gate(source=ORDERS, shop="eu")], "10:04"),
        ([Gate(source=ORDERS, shop="eu"), Gate(source=ORDERS, shop="us")], "10:02"),
        ([Gate(source=ORDERS, shop="eu"), Gate(source=ORDERS, shop="asia")], None),
    ],
)
def test_of_a_source_the_gate_counts_that_is_furthest_behind(
    tmp_path: Path, gates: list[str | Gate], expected: str | None
) -> None:
    """Semantics 6.2: a gate asks for a shop, or for the slowest; another tenant's shop may be the slowest."""
    watched = Watched(guarded(*gates), tmp_path)
    marks = [mark("10:04", shop="eu"), mark("10:02", shop="us"), mark("10:01", shop="it", tenant="other")]
    watched.stage.tick("10:05", marks=[*marks, mark("09:00", source="nobody.asks")])
    assert through(watched) == (0 if expected is None else at(expected) / 1000)
    assert {one.source for one in watched.report.sources} == {ORDERS}


def test_of_several_partitions_the_one_counts_that_knows_least(tmp_path: Path) -> None:
    stages = [guarded(), guarded()]
    stages[1].partition.number = 1
    for stage in stages:
        Watched(stage, tmp_path).play([checkout("10:00")])
    watched = Watched(stages[0], tmp_path)
    owned = [Owned(stage.partition) for stage in stages]
    watched.observer = Observer(replace(watched.views(), owned=lambda: owned), publish=lambda it: _keep(watched, it))
    stages[0].tick("10:20", marks=[mark("10:04")])
    assert (through(watched), held(watched)) == (0, 1), "the other one has not heard of it"
    stages[1].tick("10:20", marks=[mark("10:03")])
    assert (through(watched), held(watched)) == (at("10:03") / 1000, 2)


def _keep(watched: Watched, report: WorkerReport) -> None:
    watched.report = report


def test_who_is_held_is_counted_for_each_source_of_the_gate_and_no_other(tmp_path: Path) -> None:
    looked = flow(wait(15), settle(CARTS, "shop.pages"), send(), name="look", trigger="product_viewed")
    watched = Watched(Stage(flow(wait(15), settle(), send()), looked, clock="live"), tmp_path)
    watched.play([checkout("10:00"), checkout("10:00", who="bob"), event("product_viewed", "10:00", who="cat")])
    watched.stage.tick("10:20")
    assert [held(watched, source) for source in (ORDERS, CARTS, "shop.pages")] == [2, 1, 1]


def test_there_is_an_end_to_the_sources_that_are_shown(tmp_path: Path) -> None:
    names = [f"shop.{number:03}" for number in range(SOURCE_LABELS_MAX + 20)]
    watched = Watched(guarded(*names), tmp_path).play([checkout("10:00")])
    late = names[SOURCE_LABELS_MAX + 7]
    watched.stage.tick("10:20", marks=[mark("10:01" if name == late else "10:04", source=name) for name in names])
    page = watched.page()
    for name in ("cartwheel_source_watermark_timestamp_seconds", "cartwheel_settle_holds"):
        assert sum(series.startswith(f"{name} ") for series in page) == SOURCE_LABELS_MAX + 1
    assert through(watched, names[0]) == at("10:04") / 1000
    assert (through(watched, OTHER), held(watched, OTHER)) == (at("10:01") / 1000, 20)


def test_people_make_no_series(tmp_path: Path) -> None:
    pages = []
    for people in (1, 300):
        watched = Watched(guarded(), tmp_path).play(checkout("10:00", who=f"p{number}") for number in range(people))
        watched.stage.tick("10:20")
        pages.append({series for series in watched.page() if "source=" in series})
        assert held(watched) == people
    assert pages[0] == pages[1]


def test_what_nobody_waits_for_is_not_shown(tmp_path: Path) -> None:
    for stage in (guarded(status="stopped"), Stage(flow(), clock="live")):
        watched = Watched(stage, tmp_path)
        watched.stage.tick("10:05", marks=[mark("10:04")])
        assert (through(watched), through(watched, OTHER), held(watched)) == (None, None, None)


def test_on_a_carried_clock_no_source_is_late(tmp_path: Path) -> None:
    watched = Watched(guarded(), tmp_path)
    carried = replace(watched.views(), clock="carried")
    watched.observer = Observer(carried, publish=lambda report: _keep(watched, report))
    assert through(watched) is None


def test_status_says_how_old_they_are_and_who_waits() -> None:
    sources = (
        SourceReport(source=CARTS, complete_through_at=None, age_seconds=None, held=0),
        SourceReport(source=ORDERS, complete_through_at=at("10:00"), age_seconds=5400.0, held=1_204),
    )
    member = Member(name="worker", metrics_url=None, running=Running(pid=4711, started_at=0.0, marker="x"))
    console = Console(width=100, record=True, file=StringIO())
    console.print(draw([], [], [WorkerPage(member, WorkerReport(phase="working", sources=sources))], None))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert [CARTS, "never", "told", "0"] in lines
    assert [ORDERS, "90", "min", "ago", "1,204"] in lines
