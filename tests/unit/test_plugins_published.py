"""Plug-ins around the core: which are known, what is published of them, and who refuses to go on without them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from agents import cli
from agents.backfilling import choose
from agents.definitions import book as books
from agents.definitions.book import Book
from agents.definitions.changes import publishing
from agents.errors import InputRefused, Misconfigured
from agents.plugins import load_plugins
from agents.replay_file import EventLine, read_lines
from agents.worker.counted import PLUGINS_MAX, plugin_labels
from agents.worker.metrics import Metrics
from schemas import codec
from schemas.activation import Definition, definition_key
from schemas.control import ACTIVATION_KEY
from schemas.flow import Flow
from schemas.instants import from_wire
from streams.flowfile import check, load
from streams.flowfile.surroundings import Surroundings
from streams.partition import Partition, Record
from streams.plugins import FAILURES, NO_PLUGINS, Name, Plugin, PluginKind, registry
from streams.program import build
from streams.rehearsal import event_record
from tests.definitions import flow_file, ordered
from tests.unit.stage import at, checkout

ROOT = Path(__file__).parents[2]
FLOW = """flow: f
entry:
  trigger: { event: checkout_started }
  filter: { plugin: { name: judged, version: 1 } }
  reentry: always
exit: [{ when: { event: order_placed } }]
steps:
  - wait: { for: 1h }
  - label: remind
    send: { template: t, channel: log, variables: { made: { plugin: { name: made, version: 2 } } } }
"""
TIMELINE = """- name: two carts
  timeline:
    - { at: "10:00", checkout_started: { profile: p1, checkout_id: C1, coupon: A } }
    - { at: "10:00", checkout_started: { profile: p2, checkout_id: C2 } }
  expect: [{ sent: remind, at: "11:00", profile: p1 }, { refused: filter_false, profile: p2 }, { sends: 1 }]
"""
PLUGINS = """from agents.plugins.kinds import predicate, transform


@predicate(version=1, inputs=("trigger.coupon",))
def judged(inputs):
    return inputs["trigger.coupon"] == "A"


@transform(version=2, inputs=())
def made(inputs):
    return {"made": True}
"""


def known(*plugins: tuple[str, int, PluginKind], inputs: tuple[str, ...] = (), prints: str = "") -> dict[Name, Plugin]:
    return registry(
        Plugin(kind=kind, name=name, version=version, inputs=inputs, answer=lambda _: True, fingerprint=name + prints)
        for name, version, kind in plugins
    )


BOTH = known(("judged", 1, "predicate"), ("made", 2, "transform"))
COMPILED = load(FLOW, name="f.yaml")


# --- what flows check finds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plugins", "found"),
    [
        (BOTH, []),
        (
            known(),
            [
                "4:29 unknown_plugin: there is no plug-in `judged`; `--plugins` names the folder of those there are",
                "10:77 unknown_plugin: there is no plug-in `made`; `--plugins` names the folder of those there are",
            ],
        ),
        (
            known(("juged", 1, "predicate"), ("made", 2, "recommender")),
            ["4:29 unknown_plugin: there is no plug-in `judged`, juged"],
        ),
        (
            known(("judged", 1, "predicate"), ("made", 1, "transform"), ("made", 3, "transform")),
            ["10:92 unknown_plugin: there is no version 2 of the plug-in `made`, only 1 and 3, 3"],
        ),
        (
            known(("judged", 1, "transform"), ("made", 2, "predicate")),
            [
                "4:29 wrong_kind: `judged` is a transform, and here only a `predicate` can be asked",
                "10:77 wrong_kind: `made` is a predicate, and here only a `recommender` or `transform` can be asked",
            ],
        ),
        (
            known(("judged", 1, "predicate"), ("made", 2, "transform"), inputs=("trigger.cupon", "trigger.total")),
            [
                f"{place} unknown_word: the plug-in `{name}` asks for `trigger.cupon`, which the trigger has not, "
                "trigger.coupon"
                for place, name in (("4:29", "judged"), ("10:77", "made"))
            ],
        ),
    ],
)
def test_a_plug_in_that_is_not_there_or_does_not_fit_is_found(plugins: dict[Name, Plugin], found: list[str]) -> None:
    checked = check(FLOW, name="f.yaml", around=Surroundings(plugins=plugins))
    hints = [f", {one.suggestion}" if one.instead else "" for one in checked.findings]
    assert found == [
        f"{one.line}:{one.column} {one.code}: {one.message}{hint}"
        for one, hint in zip(checked.findings, hints, strict=True)
    ]
    assert (checked.flow is None) is bool(found)


def test_where_nobody_knows_the_plug_ins_nothing_is_said() -> None:
    assert check(FLOW, name="f.yaml").findings == ()


# --- the commands -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "f.yaml").write_text(FLOW)
    (tmp_path / "f.test.yaml").write_text(TIMELINE)
    (tmp_path / "lines.txt").write_text("checkout_started coupon=A\nadvance 2h\n")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "both.py").write_text(PLUGINS)
    event = {
        "id": "1", "source": "shop.site", "type": "commerce.checkout.started.v1", "time": "2026-11-20T10:00:00Z",
        "tenant": "acme", "identity": {"external_id": "ann"}, "properties": {"coupon": "A"},
    }  # fmt: skip
    (tmp_path / "events.ndjson").write_text(json.dumps(event) + "\n")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as ended:
        cli.main([*map(str, words), "--json"])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), json.loads(out or err)


@pytest.mark.parametrize("by_setting", [False, True])
@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("flows check F", lambda data: data["ok"]),
        ("flows test F --coverage", lambda data: data["ok"] and data["coverage"]["flows"]),
        ("flows diff F F", lambda data: data["differences"] == []),
        ("flows compare F F --events E", lambda data: data["a"]["sent"] == data["b"]["sent"] == 1),
        ("replay --flows F --events E", lambda data: data["flows"]["f"]["sent"] == 1),
        ("rehearse F --events L", lambda data: data["turns"][1]["commands"][0]["variables"]["made"] == {"made": True}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_each_command_that_reads_flows_takes_the_folder(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    sent: Any,
    by_setting: bool,
) -> None:
    paths = {"F": folder / "f.yaml", "E": folder / "events.ndjson", "L": folder / "lines.txt"}
    said = [paths.get(word, word) for word in words.split()]
    code, data = run(capsys, *said)
    assert code in (1, 65), "without its plug-ins it is refused"
    assert "unknown_plugin" in json.dumps(data)
    if by_setting:
        monkeypatch.setenv("CARTWHEEL_PLUGINS", str(folder / "plugins"))
        code, data = run(capsys, *said)
    else:
        code, data = run(capsys, *said, "--plugins", folder / "plugins")
    assert code == 0, data
    assert sent(data)


def test_the_option_counts_before_the_setting(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARTWHEEL_PLUGINS", str(folder / "nowhere"))
    assert run(capsys, "flows", "check", folder / "f.yaml")[0] == 65
    assert run(capsys, "flows", "check", folder / "f.yaml", "--plugins", folder / "plugins")[0] == 0


def test_a_backfill_asks_the_plug_ins_of_the_exit_rules(folder: Path) -> None:
    lines = [one for one in read_lines(folder / "events.ndjson") if isinstance(one, EventLine)]
    plugins = registry(load_plugins(folder / "plugins"))

    def entering(rule: str) -> int:
        flow = FLOW.replace("exit: [", f"exit: [{{ when: {{ person: {rule} }}, reason: r }}, ")
        now = from_wire("2026-11-21T00:00:00.000Z")
        return len(choose(load(flow, name="f.yaml"), lines, now=now, plugins=plugins).candidates)

    assert entering("{ plugin: { name: judged, version: 1 } }") == 0
    assert entering("{ not: { plugin: { name: judged, version: 1 } } }") == 1


# --- what is published ------------------------------------------------------------------------------------------


def published(plugins: Mapping[Name, Plugin], *, book: Book | None = None, flow: Flow = COMPILED) -> Book:
    return ordered(book or Book(plugins), publishing([flow_file(flow)], plugins=plugins))


def read_by(book: Book, plugins: Mapping[Name, Plugin], *, bare: bool = False) -> Book:
    """The same, in a process that has these plug-ins; `bare`: as it was published before there were fingerprints."""
    other = Book(plugins)
    definition = book.definition("f", COMPILED.version)
    if bare:
        definition = msgspec.structs.replace(definition, plugins={})
    other.take(0, definition_key(flow="f", version=COMPILED.version), codec.encode(definition))
    other.take(book.newest, books.ORDER_KEY + b"x", codec.encode(book.order(book.newest)))
    return other


def test_a_definition_has_the_fingerprints_of_what_it_asks() -> None:
    more = BOTH | known(("other", 1, "transform"))
    book = published(more)
    assert book.definition("f", COMPILED.version).plugins == {"judged/1": "judged", "made/2": "made"}
    assert book.program_of(book.newest).flows["f"].version == COMPILED.version
    bare = Definition(flow=msgspec.Raw(b"{}"), source="", at="2026-11-20T10:00:00.000Z", by="")
    assert b'"plugins"' not in codec.encode(bare), "what was published before reads and writes as it did"


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        (known(("judged", 1, "predicate")), "asks the plug-in made, version 2, which is not here"),
        (NO_PLUGINS, "asks the plug-in judged, version 1, which is not here"),
        (BOTH | known(("made", 2, "transform"), prints="!"), "made, version 2, is not the one that version"),
        (BOTH | known(("judged", 1, "predicate"), prints="!"), "judged, version 1, is not the one that version"),
    ],
)
def test_who_has_not_what_was_published_does_not_run_it(plugins: dict[Name, Plugin], message: str) -> None:
    """Semantics 12.8: the same log must give the same decisions, so it is never unknown instead."""
    book = read_by(published(BOTH), plugins)
    with pytest.raises(Misconfigured, match=message) as refused:
        book.program_of(book.newest)
    assert books.RUNBOOK_OF_PLUGINS in refused.value.next_step
    assert (ROOT / books.RUNBOOK_OF_PLUGINS).is_file()
    assert refused.value.exit_code == 78


def test_an_activation_in_the_log_is_not_passed_over_without_its_plug_ins() -> None:
    """At the record the unit of work fails as a whole: nothing is decided by other flows, and no offset moves."""
    book = read_by(published(BOTH), NO_PLUGINS)
    partition = Partition(
        program=build([]), topic="log", number=0, clock="live", incarnation="i", load=lambda _: None, record=None,
        programs=book.program,
    )  # fmt: skip
    switch = Record(0, at("09:30"), ACTIVATION_KEY, codec.encode(book.activation(book.newest)))
    with pytest.raises(Misconfigured, match="which is not here"):
        partition.process([switch, event_record(checkout("10:00"), at=at("10:00"))])
    assert (partition.position, partition.program.number) == (0, -1)


def test_what_was_published_without_fingerprints_is_run_by_name() -> None:
    changed = BOTH | known(("made", 2, "transform"), prints="!")
    book = read_by(published(BOTH), changed, bare=True)
    assert book.program_of(book.newest).flows["f"].version == COMPILED.version
    nothing = read_by(published(BOTH), NO_PLUGINS, bare=True)
    with pytest.raises(Misconfigured, match="which is not here"):
        nothing.program_of(nothing.newest)


def test_a_function_that_has_changed_under_its_version_is_not_published() -> None:
    book, changed = published(BOTH), BOTH | known(("made", 2, "transform"), prints="!")
    later, other = (load(FLOW.replace(*one), name="f.yaml") for one in (("1h", "2h"), ("flow: f", "flow: g")))
    for flow in (COMPILED, later, other):
        with pytest.raises(InputRefused, match="made, version 2, is not the one that version") as no:
            published(changed, book=book, flow=flow)
        assert "another version" in no.value.next_step
    newer = changed | known(("made", 3, "transform"))
    with_three = load(FLOW.replace("name: made, version: 2", "name: made, version: 3"), name="f.yaml")
    published(newer, book=book, flow=with_three)
    assert book.definition("f", with_three.version).plugins == {"judged/1": "judged", "made/3": "made"}


# --- what is counted --------------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """As much of a unit of work as metrics look at."""

    tallies: Mapping[tuple[str, ...], int]
    latenesses: Mapping[str, list[int]]


def test_failures_are_counted_by_plug_in_version_and_reason() -> None:
    registered = CollectorRegistry()
    metrics = Metrics(registered, plugins=plugin_labels([*BOTH, *((f"z{n}", 1) for n in range(PLUGINS_MAX))]))
    failed: dict[tuple[str, ...], int] = {
        ("plugin_failed", "made/2", "raised"): 2,
        ("plugin_failed", "z9/1", "over_budget"): 3,
    }
    metrics.unit(Unit(failed, {}), seconds=0)
    page = generate_latest(registered).decode()
    assert 'cartwheel_plugin_failures_total{plugin="made",reason="raised",version="2"} 2.0' in page
    assert 'cartwheel_plugin_failures_total{plugin="_other",reason="_other",version="_other"} 3.0' in page
    assert page.count("cartwheel_plugin_failures_total{") == PLUGINS_MAX * len(FAILURES) + 1, "their number is bounded"
    assert "cartwheel_undeclared_tallies_total 0.0" in page
