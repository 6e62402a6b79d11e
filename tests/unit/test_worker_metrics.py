"""The worker's metrics: declared from the start, exact, and as many with ten thousand people as with ten."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as OrdinaryHistogram
from prometheus_client.parser import text_string_to_metric_families

from agents.worker import counted
from agents.worker.collector import ReportCollector
from agents.worker.metrics import Metrics
from agents.worker.observer import Observer, Views
from agents.worker.population import Population
from agents.worker.report import WorkerReport
from agents.worker.runtime import register_runtime
from agents.worker.series import FLOW_LABELS_MAX, OTHER, Histogram, flow_labels
from agents.worker.ticking import TickState
from schemas.event import Event
from schemas.instants import from_datetime
from schemas.policy import Policy, Storefront
from schemas.steps import Value
from streams.partition import Partition
from streams.rehearsal import event_record
from tests.definitions import book_of
from tests.unit.stage import Stage, at, checkout, event, flow, mark, order, send, settle, wait

ROOT = Path(__file__).parents[2]
SERIES_MAX = 11_000


class Fetched(NamedTuple):
    """As much of a fetched record as metrics look at."""

    timestamp: int


@dataclass
class Owned:
    """As much of an owned partition as the observer looks at."""

    core: Partition
    population: Population = field(default_factory=Population)
    tick: TickState = field(default_factory=TickState)
    owned_at: int = 0
    first_position: int = 0
    epoch: int = 1
    unread_at: int | None = None
    stopped_because: str | None = None


class Watched:
    """A stage whose units of work are counted, and whose page can be read."""

    def __init__(self, stage: Stage, tmp_path: Path, *, lag: int | None = 0) -> None:
        self.stage, self.owned = stage, Owned(stage.partition)
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, flows=stage.program.flows)
        self.report = WorkerReport()
        self.lag, self.remaining = lag, 0
        self.committed: int | None = None
        self.started, self.stopping, self.now = True, False, at("23:00")
        self.observer = Observer(self.views(), publish=self._take)
        self.registry.register(
            ReportCollector(
                report=lambda: self.report, book=book_of(stage.program.flows.values()), topic="log", store=tmp_path
            )
        )
        self._counted = 0

    def views(self) -> Views:
        """Where the observer looks."""
        return Views(
            owned=lambda: [self.owned] if self.started else [],
            lag=lambda *_: self.lag,
            committed=lambda _: self.committed,
            unread_at=lambda *_: None,
            assigned=lambda: True,
            started=lambda: self.started,
            stopping=lambda: self.stopping,
            remaining=lambda: self.remaining,
            gaps=lambda: 0,
            low_water_at=lambda: None,
            instance="one",
            namespace="test",
            clock="live",
            clock_ms=lambda: self.now,
        )

    def _take(self, report: WorkerReport) -> None:
        self.report = report

    def play(self, events: Iterable[Event]) -> Watched:
        """Each event is a unit of work of its own."""
        for one in events:
            self.stage.append(event_record(one, at=from_datetime(one.time)))
        return self.count()

    def count(self) -> Watched:
        """Tell the metrics of all units of work that the stage has done since."""
        for outputs in self.stage.outputs[self._counted :]:
            self.owned.population.evaluated(outputs.tallies)
            self.metrics.unit(outputs, seconds=0.001, fetched=[Fetched(self.now)], evaluated_at=self.now)
        self._counted = len(self.stage.outputs)
        return self

    def page(self, seconds: float = 0) -> dict[str, float]:
        """Every series, as it would be scraped."""
        self.observer.look(seconds)
        return page(self.registry)


def page(registry: CollectorRegistry) -> dict[str, float]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    series = [(_name(one.name, one.labels), one.value) for family in families for one in family.samples]
    assert len(dict(series)) == len(series), "a series came twice"
    return dict(series)


def _name(name: str, labels: dict[str, str]) -> str:
    return name + "".join(f" {label}={value}" for label, value in sorted(labels.items()))


def shoppers(count: int) -> Iterable[Event]:
    for number in range(count):
        yield checkout("10:00", who=f"p{number}")
    for number in range(0, count, 2):
        yield order("10:01", who=f"p{number}")


# --- the number of series ------------------------------------------------------------------------------


def test_series_do_not_grow_with_people(tmp_path: Path) -> None:
    few = Watched(Stage(flow()), tmp_path).play(shoppers(10)).page()
    many = Watched(Stage(flow()), tmp_path).play(shoppers(10_000)).page()
    assert few.keys() == many.keys()
    assert (few["cartwheel_profiles"], many["cartwheel_profiles"]) == (10, 10_000)


def test_every_series_is_there_before_anything_happens(tmp_path: Path) -> None:
    watched = Watched(Stage(flow()), tmp_path)
    before = watched.page()
    assert before.keys() == watched.play(shoppers(3)).page().keys()
    totals = {name: value for name, value in before.items() if "_total" in name or "_bucket" in name}
    assert set(totals.values()) == {0.0}
    assert len(totals) > 100


def test_the_most_flows_and_the_usual_partitions_stay_within_bounds(tmp_path: Path) -> None:
    registry, flows = CollectorRegistry(), [f"flow_{number}" for number in range(700)]
    names = [f"name_{number}" for number in range(70)]
    Metrics(registry, flows=flows, sources=names, plugins=counted.plugin_labels((name, 1) for name in names))
    register_runtime(registry)
    watched = Watched(Stage(flow(settle(*names), send()), clock="live"), tmp_path)
    watched.page()
    partitions = watched.report.partitions * 32
    report = WorkerReport(phase="working", partitions=partitions, sources=watched.report.sources)
    book = book_of(flow(name=name) for name in flows)
    registry.register(ReportCollector(report=lambda: report, book=book, topic="log", store=tmp_path))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert 5_000 < len(lines) < SERIES_MAX


def test_flows_that_are_published_later_are_counted_by_name(tmp_path: Path) -> None:
    watched = Watched(Stage(flow()), tmp_path)
    watched.metrics.declare(["reminder", "winback"])
    watched.play(shoppers(2))
    found = watched.page()
    assert found["cartwheel_decisions_total flow=reminder outcome=entered"] > 0
    assert found["cartwheel_decisions_total flow=winback outcome=entered"] == 0


def test_flows_beyond_the_first_500_share_a_label() -> None:
    labels = flow_labels(f"flow_{number:03}" for number in range(FLOW_LABELS_MAX + 2))
    assert labels["flow_499"] == "flow_499"
    assert (labels["flow_500"], labels["flow_501"]) == (OTHER, OTHER)
    assert len(set(labels.values())) == FLOW_LABELS_MAX + 1


def test_no_label_can_hold_an_id(tmp_path: Path) -> None:
    text = generate_latest(Watched(Stage(flow()), tmp_path).play(shoppers(5)).registry).decode()
    labels = {label for line in text.splitlines() for label in re.findall(r'(\w+)="', line)}
    assert labels <= {
        "cause", "channel", "flow", "kind", "le", "outcome", "partition", "plugin", "reason", "source", "stage",
        "status", "topic", "version", "what",
    }  # fmt: skip
    assert "p1" not in re.findall(r'="([^"]*)"', text)


# --- what they say -------------------------------------------------------------------------------------------


def test_timers_are_counted_by_flow_and_by_what_became_of_them(tmp_path: Path) -> None:
    watched = Watched(Stage(flow(name="cart"), flow(name="look", trigger="product_viewed"), clock="live"), tmp_path)
    watched.play(
        [checkout("10:00", who="ann"), checkout("10:00", who="bob"), event("product_viewed", "10:00", who="ann")]
    )
    page = watched.page()
    assert (page["cartwheel_timers_pending flow=cart"], page["cartwheel_timers_pending flow=look"]) == (2, 1)
    watched.play([order("10:05", who="bob")])
    watched.stage.tick("10:16", through="10:15:30")
    page = watched.count().page()
    assert (page["cartwheel_timers_pending flow=cart"], page["cartwheel_timers_pending flow=look"]) == (0, 0)
    assert page["cartwheel_timers_total flow=cart outcome=fired"] == 1
    assert page["cartwheel_timers_total flow=cart outcome=canceled"] == 1
    assert page["cartwheel_timers_total flow=look outcome=fired"] == 1
    assert page["cartwheel_timer_lateness_seconds_sum flow=cart"] == 60
    assert page["cartwheel_timer_lateness_seconds_bucket flow=cart le=10.0"] == 0
    assert page["cartwheel_timer_lateness_seconds_bucket flow=cart le=60.0"] == 1


def test_a_timer_that_fires_too_late_for_its_message_is_stale(tmp_path: Path) -> None:
    late = msgspec.structs.replace(send(), max_lateness_ms=60_000, when_late="skip")
    watched = Watched(Stage(flow(wait(15), late, name="cart"), clock="live"), tmp_path)
    watched.play([checkout("10:00"), checkout("10:10", who="bob")])
    watched.stage.tick("10:25:30", through="10:25:30")
    page = watched.count().page()
    assert page["cartwheel_timers_total flow=cart outcome=fired"] == 2
    assert page["cartwheel_timers_total flow=cart outcome=stale"] == 1
    assert page["cartwheel_decisions_total flow=cart outcome=skipped"] == 1


def test_a_rebuild_counts_the_same_people_and_timers(tmp_path: Path) -> None:
    stage = Stage(flow(name="cart"), flow(name="look", trigger="product_viewed"), clock="live")
    watched = Watched(stage, tmp_path).play(
        [*shoppers(50), *(event("product_viewed", "10:02", who=f"p{one}") for one in range(30))]
    )
    rebuilt = Population()
    for state in stage.store.values():
        rebuilt.restored(state)
    assert rebuilt.profiles == watched.owned.population.profiles == 50
    assert rebuilt.timers == +watched.owned.population.timers == Counter(cart=25, look=30)


def test_a_profile_held_at_a_gate_still_counts(tmp_path: Path) -> None:
    stage = Stage(flow(wait(15), settle(), send(), name="cart"), clock="live")
    watched = Watched(stage, tmp_path).play([checkout("10:00")])
    stage.tick("10:20", through="10:20")
    rebuilt = Population()
    for state in stage.store.values():
        rebuilt.restored(state)
    assert rebuilt.timers == watched.count().owned.population.timers == Counter(cart=1)
    stage.tick("10:30", through="10:20", marks=[mark("10:30")])
    assert watched.count().page()["cartwheel_timers_pending flow=cart"] == 0


def test_overdue_timers_and_the_oldest_of_them_are_seen(tmp_path: Path) -> None:
    watched = Watched(Stage(flow(), clock="live"), tmp_path)
    watched.now = at("10:00")
    page = watched.play([checkout("10:00", who="ann"), checkout("10:01", who="bob")]).page()
    assert (page["cartwheel_timers_overdue"], page["cartwheel_oldest_due_timer_seconds"]) == (0, 0)
    watched.now = at("10:15:30")
    page = watched.page()
    assert (page["cartwheel_timers_overdue"], page["cartwheel_oldest_due_timer_seconds"]) == (1, 30)


def test_lag_in_seconds_is_that_of_the_next_unread_record(tmp_path: Path) -> None:
    watched = Watched(Stage(flow(), clock="live"), tmp_path, lag=3)
    series = "cartwheel_consumer_lag_seconds partition=0 topic=log"
    watched.owned.unread_at = watched.now - 90_000
    assert watched.page()[series] == 90
    watched.owned.unread_at = None
    assert watched.page(5)[series] == 5, "not known: at least since it was first seen"
    watched.lag = 0
    assert watched.page(9)[series] == 0
    watched.lag = None
    assert series not in watched.page(10)


def test_the_age_of_the_commit_counts_only_while_there_is_something_to_commit(tmp_path: Path) -> None:
    watched = Watched(Stage(flow(), clock="live"), tmp_path)
    series = "cartwheel_committed_offset_age_seconds partition=0 topic=log"
    assert watched.page(0)[series] == 0
    watched.play(shoppers(2))
    assert watched.page(10)[series] == 10
    assert watched.page(30)[series] == 30
    assert watched.page(30)["cartwheel_uncommitted_records partition=0 topic=log"] == 3
    watched.committed = 2
    assert watched.page(40)[series] == 0
    watched.committed = 3
    assert [watched.page(seconds)[series] for seconds in (90, 200)] == [0, 0]


def test_a_recovery_is_seen_and_timed(tmp_path: Path) -> None:
    watched = Watched(Stage(flow(), clock="live"), tmp_path)
    watched.started, watched.remaining = False, 500
    watched.page(0)
    page = watched.page(7)
    assert page["cartwheel_recovery_active"] == 1
    assert page["cartwheel_recovery_remaining_records"] == 500
    assert page["cartwheel_recovery_seconds"] == 7
    watched.started = True
    page = watched.page(9)
    assert (page["cartwheel_recovery_active"], page["cartwheel_recovery_remaining_records"]) == (0, 0)
    assert page["cartwheel_recovery_seconds"] == 7, "of the last one"


def test_a_conflicting_copy_is_counted_as_such_and_as_a_dead_letter(tmp_path: Path) -> None:
    copies = [checkout("10:00", id="a", total="9.00"), checkout("10:00", id="a", total="8.00")]
    told = Watched(Stage(flow()), tmp_path).play(copies).page()
    assert told["cartwheel_events_consumed_total outcome=conflict"] == 1
    assert told["cartwheel_events_consumed_total outcome=refused"] == 0
    assert told["cartwheel_dead_letters_total reason=conflict stage=worker"] == 1


def test_s4_08_an_unknown_storefront_stands_on_the_page(tmp_path: Path) -> None:
    stores = Policy(storefronts={"2": Storefront(name="Two")})
    named = msgspec.structs.replace(flow(wait(15), send()), storefront=Value("trigger", "channel_id"))
    watched = Watched(Stage(named, policy=stores), tmp_path)
    watched.play(checkout("10:00", who=f"p{store}", channel_id=store) for store in "29")
    assert watched.page()["cartwheel_unknown_storefront_total"] == 1


# --- that nothing is forgotten -------------------------------------------------------------------------------


def test_what_the_core_counts_is_declared(tmp_path: Path) -> None:
    stage = Stage(flow(wait(15), settle(), send()), clock="live")
    watched = Watched(stage, tmp_path).play(
        [*shoppers(20), *shoppers(20), event("product_viewed", "10:03"), checkout("10:04", who="p1")]
    )
    stage.tick("13:00", through="13:00")
    page = watched.count().page()
    assert page["cartwheel_undeclared_tallies_total"] == 0
    assert [name for name, value in page.items() if OTHER in name and value] == []


@pytest.mark.parametrize(
    ("paths", "pattern", "declared"),
    [
        (["streams/entry.py", "streams/reentry.py"], r'_(?:note_)?refused\("(\w+)"', counted.REFUSALS),
        (["streams"], r'tallies\[\("evicted", "(\w+)"\)\]', counted.EVICTED),
        (["streams"], r'tallies\[\("timer", [\w.]+, "(\w+)"\)\]', counted.TIMERS),
    ],
)
def test_the_words_of_the_core_are_declared(paths: Sequence[str], pattern: str, declared: Sequence[str]) -> None:
    files = [
        file for path in paths for file in ([ROOT / path] if path.endswith(".py") else (ROOT / path).rglob("*.py"))
    ]
    found = {word for file in files for word in re.findall(pattern, file.read_text())}
    assert found
    assert found <= set(declared)


def test_a_kind_of_tally_that_nobody_declared_is_counted_as_such(tmp_path: Path) -> None:
    watched = Watched(Stage(flow()), tmp_path)
    said = watched.stage.append().outputs[-1]
    said.tallies[("a_new_kind", "of_thing")] += 2
    said.tallies[("evicted", "a_new_bound")] += 3
    page = watched.count().page()
    assert page["cartwheel_undeclared_tallies_total"] == 2
    assert page["cartwheel_evicted_total what=_other"] == 3


# --- the arithmetic ------------------------------------------------------------------------------------------


def test_many_observations_at_once_count_as_one_by_one() -> None:
    dice, bounds = random.Random(3), (0.001, 0.01, 0.1, 1)
    ours, registry = Histogram("ours", "x", bounds), CollectorRegistry()
    theirs = OrdinaryHistogram("theirs", "x", buckets=bounds, registry=registry)
    registry.register(ours)
    for _ in range(200):
        values = [dice.choice([0, 1, 10, 100, 1000, dice.randrange(3000)]) for _ in range(dice.randrange(30))]
        for value in values:
            theirs.observe(value / 1000)
        ours.observe_ms(values)
    found = page(registry)
    expected = {name: value for name, value in found.items() if name.startswith(("theirs_bucket", "theirs_sum"))}
    assert len(expected) == 6
    assert {name: found[name.replace("theirs", "ours")] for name in expected} == pytest.approx(expected)


def test_an_age_below_zero_counts_as_zero() -> None:
    made, registry = Histogram("made", "x", (1,)), CollectorRegistry()
    registry.register(made)
    made.observe_ms([500, -2000, -1])
    found = page(registry)
    assert (found["made_bucket le=1.0"], found["made_sum"]) == (3, 0.5)


def test_names_follow_the_convention(tmp_path: Path) -> None:
    text = generate_latest(Watched(Stage(flow()), tmp_path).registry).decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.M))
    assert all(name.startswith("cartwheel_") for name in kinds)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in kinds.items())
    assert not [name for name in kinds if re.search(r"_(ms|millis\w*|minutes|kb|mb)(_|$)", name)]
    documented = (ROOT / "docs/reference/metrics.md").read_text()
    assert [name for name in kinds if f"`{name}" not in documented] == []
