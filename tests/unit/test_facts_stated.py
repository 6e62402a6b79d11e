"""Facts that a policy declares, stated in timelines and rehearsals, whatever of a flow asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents import cli
from agents.flow_files import check_flows, load_policy, timelines_of
from streams import timeline
from tests.unit.test_editor_schemas import TIMELINE_FILE, document

KINDS = "wedding: date, tier: text, points: number, coupons: list, vip: boolean, spent: money"
POLICY = f"policy: ours\nfacts: {{ {KINDS} }}\n"
ORDER = "flow: asks\nentry: { trigger: { event: order_placed }, reentry: always }\nsteps:\n"
SEND = "  - { label: mail, send: { template: t, channel: log } }\n"
DAY = """- name: a day
  timeline:
    - { at: "10:00", profile_updated: { profile: p1, %s } }
    - { at: "10:05", order_placed: { profile: p1, order_id: O } }
    - { end: "2026-02-01T00:00:00Z" }
  expect: [{ sends: %d }]
"""
#: By what of the flow asks for it: the flow, what is stated that leads to its only message, and what does not.
ASKING = {
    "a condition": (
        ORDER + "  - if: { condition: { fact: { tier: { eq: gold } } }, then: mail, otherwise: { stop: no } }\n" + SEND,
        "tier: gold",
        "tier: null",
    ),
    "a trigger": (
        "flow: asks\nentry: { trigger: { date: { fact: wedding } }, reentry: always }\nsteps:\n" + SEND,
        'wedding: "2026-01-10"',
        "wedding: null",
    ),
    "a wait": (
        ORDER + "  - wait: { until_date: fact.wedding, when_past: stop }\n" + SEND,
        'wedding: "2026-01-10"',
        "wedding: null",
    ),
    "a route": (
        ORDER + "  - route: { by: fact.tier, cases: { gold: mail }, otherwise: { stop: no } }\n" + SEND,
        "tier: gold",
        "tier: iron",
    ),
    "freshness": (
        ORDER + "  - { label: mail, send: { template: t, channel: log, fresh: { points: 24h } } }\n",
        "points: 7.5",
        "tier: gold",
    ),
    "a variable, and nothing else": (
        ORDER + "  - { label: mail, send: { template: t, channel: log, variables: { a: fact.coupons } } }\n",
        "coupons: [A, B], vip: true, spent: { money: '9.50', currency: EUR }",
        None,
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


@pytest.mark.parametrize(("flow", "said", "other"), ASKING.values(), ids=ASKING)
def test_a_timeline_states_it(folder: Path, flow: str, said: str, other: str | None) -> None:
    (folder / "asks.yaml").write_text(flow)
    days = DAY % (said, 1) + (DAY % (other, 0) if other else "")
    (folder / "asks.test.yaml").write_text(days)
    [file] = check_flows(folder)
    beside = timelines_of(file)
    assert beside is not None
    assert [str(finding) for finding in beside.findings] == []
    results = [timeline.run(beside.flow, one, policy=load_policy(folder)) for one in beside.timelines]
    assert [(result.failures, result.story) for result in results if result.failures] == []
    assert [error.message for error in TIMELINE_FILE.iter_errors(document(days))] == []


@pytest.mark.parametrize(
    ("said", "code"),
    [("wedding: soon", "bad_instant"), ("tire: gold", "unknown_key"), ("email: a@b.example", "unknown_key")],
)
def test_what_no_policy_declares_is_still_a_finding(folder: Path, said: str, code: str) -> None:
    (folder / "asks.yaml").write_text(ASKING["a wait"][0])
    (folder / "asks.test.yaml").write_text(DAY % (said, 1))
    [file] = check_flows(folder)
    beside = timelines_of(file)
    assert beside is not None
    assert [finding.code for finding in beside.findings] == [code]


def test_a_rehearsal_states_and_unsets_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Semantics 7.6: null unsets; in quotes it is a text."""
    (folder / "asks.yaml").write_text(ASKING["a route"][0])
    lines = ["profile_updated tier=gold points=7 country=CH", "state", "profile_updated tier=null", "state"]
    (folder / "day.txt").write_text("\n".join([*lines, 'profile_updated tier="null"', "state"]))
    assert _run("rehearse", str(folder / "asks.yaml"), "--events", str(folder / "day.txt")) == 0
    told = capsys.readouterr().out
    facts = [line.split("facts: ")[1].split(";")[0] for line in told.splitlines() if "facts: " in line]
    assert facts == [f"country CH, points 7, tier {tier}" for tier in ("gold", "nothing", "null")]


def _run(*words: Any) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(words))
    return int(ended.value.code or 0)
