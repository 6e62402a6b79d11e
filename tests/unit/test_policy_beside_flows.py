"""What a policy declares counts for the flow files beside it: facts of one's own, and how late a source reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents import cli
from agents.flow_files import check_flows, load_policy, timelines_of
from streams import timeline

POLICY = """policy: shop
facts: { loyalty_points: number }
sources: { erp: { lag: 6h, margin: 1h } }
"""
FLOW = """flow: points
entry:
  trigger: { event: order_placed, source: erp }
  filter: { fact: { loyalty_points: { gte: 100 } } }
  reentry: always
exit: [{ when: { event: order_canceled, source: erp } }]
steps: [{ wait: { for: 7h } }, { label: tell, send: { template: t, channel: log } }]
"""
TIMELINE = """- name: a day
  timeline:
    - { at: "09:00", profile_updated: { profile: p1, loyalty_points: 120 } }
    - { at: "09:00", profile_updated: { profile: p2, loyalty_points: 20 } }
    - { at: "10:00", order_placed: { profile: p1, order_id: O1 } }
    - { at: "10:00", order_placed: { profile: p2, order_id: O2 } }
  expect: [{ sent: tell, at: "17:00", profile: p1 }, { refused: filter_false, profile: p2 }, { sends: 1 }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("policy", POLICY), ("points", FLOW), ("points.test", TIMELINE)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def codes(folder: Path) -> list[str]:
    return [finding.code for file in check_flows(folder) for finding in file.findings]


def test_a_fact_of_ones_own_is_known_to_flows_and_timelines(folder: Path) -> None:
    assert codes(folder) == []
    [file] = check_flows(folder)
    beside = timelines_of(file)
    assert beside is not None
    [one] = beside.timelines
    assert timeline.run(beside.flow, one, policy=load_policy(folder)).failures == ()
    (folder / "policy.yaml").write_text(POLICY.replace("loyalty_points", "points"))
    assert codes(folder) == ["unknown_fact"]


def test_a_flow_that_is_quicker_than_its_source_is_warned(folder: Path) -> None:
    (folder / "points.yaml").write_text(FLOW.replace("7h", "6h59m"))
    assert codes(folder) == ["delay_below_source_lag"]


def test_a_recipe_holds_for_as_long_as_the_policy_says_that_its_source_is_late(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["flows", "init", "abandoned_checkout", "--source", "erp", "--into", str(folder), "--json"])
    assert "max_hold is 7h and not 2h" in json.loads(capsys.readouterr().out)["notes"][0]
    assert "max_hold: 7h" in (folder / "abandoned_checkout.yaml").read_text()
    assert codes(folder) == []
