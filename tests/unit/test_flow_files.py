"""Flow files on disk, and what `cartwheel flows` says about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents import cli
from agents.errors import InputRefused
from agents.flow_files import check_flows, load_flows, timelines_of

FLOW = """flow: {name}
entry: {{ trigger: {{ event: checkout_started }}, reentry: always }}
exit: [{{ when: {{ event: order_placed }}, reason: bought }}]
steps: [{{ wait: {{ for: 1h }} }}, {{ label: remind, send: {{ template: t, channel: log }} }}]
"""
TIMELINE = """- name: a day
  timeline: [{ at: "10:00", checkout_started: { profile: p1, checkout_id: C1 } }]
  expect: [{ sent: remind, at: "11:00" }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("second", "first"):
        (tmp_path / f"{name}.yaml").write_text(FLOW.format(name=name))
    (tmp_path / "first.test.yaml").write_text(TIMELINE)
    (tmp_path / "notes.txt").write_text("no flow")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "third.yaml").write_text("not read")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["flows", *words])
    return int(ended.value.code or 0), capsys.readouterr().out


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code, out = run(capsys, *words, "--json")
    return code, json.loads(out)


def test_a_folder_stands_for_its_own_flow_files(folder: Path) -> None:
    assert [flow.name for flow in load_flows(folder)] == ["first", "second"]
    assert [flow.name for flow in load_flows(folder / "second.yaml")] == ["second"]


def test_a_timeline_stands_for_its_flow(folder: Path) -> None:
    [file] = check_flows(folder / "first.test.yaml")
    found = timelines_of(file)
    assert file.path == folder / "first.yaml"
    assert found is not None
    assert [one.name for one in found.timelines] == ["a day"]
    assert timelines_of(check_flows(folder / "second.yaml")[0]) is None


def test_one_wrong_file_refuses_all_and_names_every_mistake(folder: Path) -> None:
    (folder / "second.yaml").write_text(FLOW.format(name="second").replace("1h", "1 hour").replace("log", "lgo"))
    with pytest.raises(InputRefused) as refused:
        load_flows(folder)
    assert "second.yaml:4:24: error bad_duration" in refused.value.message
    assert "second.yaml:4:83: error bad_choice" in refused.value.message
    assert "flows check" in refused.value.next_step


def test_two_flows_of_one_name(folder: Path) -> None:
    (folder / "second.yaml").write_text(FLOW.format(name="first"))
    [_, second] = check_flows(folder)
    assert second.flow is None
    assert [finding.code for finding in second.findings] == ["flow_twice"]


@pytest.mark.parametrize("missing", ["nowhere", "below/nothing.yaml"])
def test_a_path_that_is_not_there(folder: Path, missing: str) -> None:
    with pytest.raises(InputRefused, match="there is no file or folder"):
        load_flows(folder / missing)


def test_a_folder_without_flows(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="there is no flow file in"):
        load_flows(tmp_path)


def test_a_timeline_without_its_flow(folder: Path) -> None:
    (folder / "first.yaml").unlink()
    with pytest.raises(InputRefused, match=r"first\.yaml cannot be read"):
        check_flows(folder)


def test_a_huge_file_is_not_read_to_its_end(folder: Path) -> None:
    with (folder / "first.yaml").open("wb") as file:
        file.truncate(10_000_000_000)  # sparse: takes no room on the disk
    [file_found] = check_flows(folder / "first.yaml")
    assert [finding.code for finding in file_found.findings] == ["too_large"]


def test_check_shows_what_compiles(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = run_json(capsys, "check", str(folder))
    assert code == 0
    assert shown["ok"]
    assert [flow["name"] for flow in shown["flows"]] == ["first", "second"]
    assert shown["flows"][0]["version"] == load_flows(folder)[0].version


def test_check_shows_the_line_and_the_nearest_word(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "second.yaml").write_text(FLOW.format(name="second").replace("order_placed", "order_plced"))
    code, out = run(capsys, "check", str(folder))
    assert code == 1
    assert "second.yaml:3:25: error unknown_event" in out
    assert "     3 | exit: [{ when: { event: order_plced }, reason: bought }]\n" in out
    assert f"       | {' ' * 24}^\n" in out
    assert "did you mean order_placed?" in out
    code, shown = run_json(capsys, "check", str(folder))
    assert code == 1
    [finding] = shown["findings"]
    assert (finding["line"], finding["column"], finding["code"]) == (3, 25, "unknown_event")
    assert finding["suggestion"] == "order_placed"


def test_check_shows_what_to_do_where_no_word_is_near(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "second.yaml").write_text(FLOW.format(name="second").replace("template: t, ", ""))
    _, out = run(capsys, "check", str(folder))
    assert "  next: Add `template: ...` here.\n" in out
    _, shown = run_json(capsys, "check", str(folder))
    [finding] = shown["findings"]
    assert (finding["suggestion"], finding["instead"]) == ("Add `template: ...` here.", False)


def test_check_reads_timelines_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "first.test.yaml").write_text(TIMELINE.replace("sent", "snt"))
    code, out = run(capsys, "check", str(folder))
    assert code == 1
    assert "first.test.yaml:3:14: error unknown_key" in out


def test_test_plays_the_timelines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "test", str(folder))
    assert code == 0
    assert "second.yaml: no timelines beside it" in out
    assert "1 timeline, 0 failed" in out


def test_test_shows_what_came_otherwise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "first.test.yaml").write_text(TIMELINE.replace("11:00", "12:00"))
    code, out = run(capsys, "test", str(folder))
    assert code == 1
    assert "line 3, expected  sent: remind at 12:00" in out
    assert "got       sent: remind at 11:00 for p1" in out
    code, shown = run_json(capsys, "test", str(folder / "first.yaml"))
    assert code == 1
    [played] = shown["timelines"]
    assert not played["ok"]
    assert played["failures"] == [
        {"line": 3, "expected": "sent: remind at 12:00", "got": "sent: remind at 11:00 for p1"}
    ]


def test_a_flow_with_an_error_fails_its_test(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "first.yaml").write_text("flow: first")
    code, shown = run_json(capsys, "test", str(folder))
    assert code == 1
    assert {finding["code"] for finding in shown["findings"]} == {"missing_key"}


def test_two_files_are_told_apart_without_a_broker(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "second.yaml").write_text(FLOW.format(name="first").replace("for: 1h", "for: 90m"))
    code, out = run(capsys, "diff", str(folder / "first.yaml"), str(folder / "second.yaml"))
    assert (code, out.split()) == (1, ["steps.wait_1.span.ms", "-", "1h", "+", "1h30m", "1", "difference"])


def test_templates_beside_the_flows_are_looked_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "second.yaml").write_text(FLOW.format(name="second").replace("channel: log", "channel: email"))
    code, shown = run_json(capsys, "check", str(folder))
    [finding] = shown["findings"]
    assert (code, finding["code"], finding["line"], finding["column"]) == (0, "no_templates", 4, 67)
    assert finding["suggestion"] == "Write `templates/t.subject.liquid` and `templates/t.text.liquid`."
    (folder / "templates").mkdir()
    (folder / "templates" / "t.subject.liquid").write_text("Your cart")
    _, shown = run_json(capsys, "check", str(folder))
    assert [finding["code"] for finding in shown["findings"]] == ["unknown_template"]
    (folder / "templates" / "t.text.liquid").write_text("It is still here.")
    assert run_json(capsys, "check", str(folder))[1]["findings"] == []


TEMPLATE = "Hello,\n\n  go on: {{ trigger.checkout_ulr }}\n{% if trigger.coupon %}{{ colour }}{% endif %}\n"


def test_what_is_wrong_in_a_template_is_found_in_its_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "second.yaml").write_text(FLOW.format(name="second").replace("channel: log", "channel: email"))
    (folder / "templates").mkdir()
    (folder / "templates" / "t.subject.liquid").write_text("Your cart")
    text = folder / "templates" / "t.text.liquid"
    text.write_text(TEMPLATE)
    code, out = run(capsys, "check", str(folder))
    assert code == 0
    assert f"{text}:3:13: warning not_in_message" in out
    assert f"     3 |   go on: {{{{ trigger.checkout_ulr }}}}\n       | {' ' * 12}^\n" in out
    assert "did you mean trigger.checkout_url?" in out
    assert f"{text}:4:27: warning not_in_message" in out
    text.write_text("Hello,\n {% if trigger.coupon %}{% endfor %}")
    code, shown = run_json(capsys, "check", str(folder))
    [finding] = shown["findings"]
    assert (code, finding["code"], finding["file"], finding["line"]) == (1, "bad_template", str(text), 2)
