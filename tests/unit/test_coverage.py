"""Coverage: every way of a flow is found, counted when it is gone, and named with its line when it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agents import cli
from schemas.conditions import EventMatch
from schemas.decision import Decision
from schemas.flow import Flow
from schemas.span import Span
from schemas.steps import Arm, Branch, Probe, Split, Stop, WaitEvent
from streams import coverage, timeline
from streams.coverage import Way
from streams.flowfile import load, load_timelines, locate
from streams.timeline import Timeline

RECIPES = Path(__file__).parents[2] / "deploy" / "flows"
TEXT = """flow: many_ways
entry: { trigger: { event: checkout_started }, key: trigger.checkout_id, reentry: always }
exit:
  - when: { event: order_placed, match: { checkout_id: trigger.checkout_id } }
    reason: bought
  - when: { event: order_placed }
    reason: bought
steps:
  - wait: { for: 1h }
  - if:
      condition: { trigger.total: { gte: { money: "50.00", currency: USD } } }
      then: big
      otherwise: { stop: too_small }
  - label: big
    send:
      template: big
      channel: email
      settle: { sources: [shop.orders], max_hold: 1h, on_timeout: skip }
  - route:
      by: trigger.channel_id
      cases:
        2: { stop: second }
        3: other
      otherwise: { stop: nowhere }
  - label: other
    send: { template: other, channel: log }
"""
FLOW = load(TEXT, name="many_ways.yaml")
SMALL = '{ at: "10:00", checkout_started: { profile: p1, checkout_id: C1, total: "9.00" } }'
LARGE = '{ at: "10:00", checkout_started: { profile: p1, checkout_id: C1, total: "90.00", channel_id: 3 } }'
REPORT = '{ at: "11:00", watermark: { source: shop.orders, complete_through: "11:00" } }'
ORDER = '{ at: "10:30", order_placed: { profile: p1, checkout_id: C9 } }'


def day(*lines: str) -> Timeline:
    text = "".join(["- name: a day\n  timeline:\n", *(f"    - {line}\n" for line in lines), "  expect: [{ sends: 0 }]"])
    [one] = load_timelines(text, name="f.test.yaml", flow=FLOW)
    return one


def gone(*lines: str) -> list[str]:
    return [f"{way.step} {way.name}" for way, times in coverage.measure(FLOW, [day(*lines)]).times.items() if times]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([SMALL], ["if_1 otherwise", "stop_1 stop"]),
        ([LARGE, REPORT], ["if_1 then", "big sent", "route_1 case 3", "other sent"]),
        ([LARGE], ["if_1 then", "big:settle on_timeout", "route_1 case 3", "other sent"]),
        ([LARGE, ORDER], ["exit 2: bought"]),
        ([LARGE, ORDER.replace("C9", "C1")], ["exit 1: bought"]),
        ([LARGE.replace("3 }", "7 }"), REPORT], ["if_1 then", "big sent", "route_1 otherwise", "stop_3 stop"]),
        ([LARGE.replace("3 }", "2 }"), REPORT], ["if_1 then", "big sent", "route_1 case 2", "stop_2 stop"]),
    ],
)
def test_what_is_counted_is_what_ran(lines: list[str], expected: list[str]) -> None:
    assert sorted(gone(*lines)) == sorted(expected)


def test_ways_stand_where_the_file_has_them() -> None:
    places = locate(TEXT, name="many_ways.yaml")
    lines = {
        f"{way.step} {way.name}": places.of_exit(way.path) if way.step == "exit" else places.of_step(way.step, way.path)
        for way in coverage.ways(FLOW)
    }
    assert lines == {
        "exit 1: bought": 4, "exit 2: bought": 6, "if_1 then": 12, "if_1 otherwise": 13, "stop_1 stop": 13,
        "big:settle on_timeout": 18, "big sent": 15, "route_1 case 2": 22, "route_1 case 3": 23,
        "route_1 otherwise": 24, "stop_2 stop": 22, "stop_3 stop": 24, "other sent": 26,
    }  # fmt: skip


PLAYED = sorted(path for path in RECIPES.glob("*.test.yaml") if path.name != "policy.test.yaml")  # that is of no flow


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: path.name)
def test_probes_change_nothing(path: Path) -> None:
    flow = load((RECIPES / path.name.replace(".test", "")).read_bytes(), name=path.name)
    for one in load_timelines(path.read_bytes(), name=path.name, flow=flow):
        assert decided(coverage.with_probes(flow), one) == decided(flow, one), one.name


@pytest.mark.parametrize("lines", [[SMALL], [LARGE], [LARGE, REPORT], [LARGE, ORDER], [LARGE, LARGE, REPORT]])
def test_probes_change_nothing_about_many_ways(lines: list[str]) -> None:
    assert decided(coverage.with_probes(FLOW), day(*lines)) == decided(FLOW, day(*lines))


def decided(flow: Flow, one: Timeline) -> list[Decision]:
    return [
        replace(decision, decision_id="", reason=decision.reason.partition("\x1f")[0])
        for decision in timeline.play(flow, one).decisions
    ]


def test_every_way_of_a_split_and_of_a_wait_for_events_is_named() -> None:
    arms = (Arm(name="a", weight=50, next=1), Arm(name="b", weight=50, next=2))
    branches = (Branch(when=EventMatch(event="order_placed"), next=2),)
    split = Split(label="halves", salt="s", arms=arms, holdout_per_thousand=100)
    waiting = WaitEvent(label="answer", branches=branches, timeout=Span(ms=1), on_timeout=2)
    flow = replace(FLOW, exits=(), steps=(split, waiting, Stop(label="over", reason="done")))
    assert coverage.ways(flow) == [
        Way("halves", "holdout", ("holdout",)),
        Way("halves", "arm a", ("arms", "a")),
        Way("halves", "arm b", ("arms", "b")),
        Way("answer", "1: order_placed", ("branches", 0)),
        Way("answer", "timeout", ("on_timeout",)),
        Way("over", "stop", ()),
    ]
    probed = coverage.with_probes(flow).steps
    assert [step.label.partition("\x1f")[0] for step in probed] == ["halves"] * 4 + ["answer"] * 3 + ["over"] * 2
    of_arm_b = probed[3]
    assert isinstance(of_arm_b, Probe)
    assert of_arm_b.next == 7, "the probe of the stop"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "many_ways.yaml").write_text(TEXT)
    text = f"- name: small\n  timeline: [{SMALL}]\n  expect: [{{ ended: too_small }}]\n"
    (tmp_path / "many_ways.test.yaml").write_text(text)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["flows", "test", *words])
    return int(ended.value.code or 0), capsys.readouterr().out


def test_the_command_names_what_nobody_reaches(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, str(folder), "--coverage")
    assert code == 0
    assert "many_ways.yaml:12: if_1, then" in out
    assert "if_1, otherwise" not in out
    assert "15.4 % of all ways" in out


def test_too_little_is_a_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, str(folder), "--fail-under", "15.4", "--json")
    assert code == 1
    shown: dict[str, Any] = json.loads(out)
    assert not shown["ok"]
    assert shown["coverage"]["percent"] == 15.4
    assert shown["coverage"]["flows"][0]["ways"][2] == {"step": "if_1", "way": "then", "line": 12, "times": 0}
    assert run(capsys, str(folder), "--fail-under", "15")[0] == 0
