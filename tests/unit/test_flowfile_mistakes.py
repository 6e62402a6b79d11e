"""Every kind of mistake in a flow file: where it is found, what it is called, and what is suggested.

The cases stand in `bad_flows/*.txt`: a title after `===`, then every error as `>>> line:column code suggestion`, then
the file. Exactly those errors must be found: one mistake must not drag others behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import pytest

from schemas.limits import EXIT_RULES_MAX, FLOW_FILE_BYTES_MAX, STEPS_MAX, TYPE_LENGTH_MAX
from streams.flowfile import FlowFileError, check, load
from streams.flowfile.findings import FINDINGS_MAX, Code
from streams.flowfile.meanings import MEANINGS
from tests.fuzz.properties import in_proportion

HEAD = "flow: f\nentry: { trigger: { event: checkout_started }, reentry: always }\n"


class Case(NamedTuple):
    title: str
    expected: list[str]
    text: str


def cases() -> Iterator[Case]:
    for path in sorted((Path(__file__).parent / "bad_flows").glob("*.txt")):
        _, *blocks = path.read_text().split("\n=== ")
        for block in blocks:
            title, *lines = block.rstrip("\n").split("\n")
            expected = [line.removeprefix(">>> ") for line in lines if line.startswith(">>> ")]
            text = "".join(line + "\n" for line in lines if not line.startswith(">>> "))
            yield Case(f"{path.stem}: {title}", expected, text)


def found_in(text: str | bytes) -> list[str]:
    return [
        f"{finding.line}:{finding.column} {finding.code} {finding.suggestion if finding.instead else ''}".rstrip()
        for finding in check(text, name="f.yaml").findings
        if finding.severity == "error"
    ]


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.title)
def test_a_mistake_is_found_where_it_is(case: Case) -> None:
    with in_proportion(case.text):
        found = found_in(case.text)
    assert found == sorted(case.expected, key=lambda line: [int(n) for n in line.split()[0].split(":")])
    with pytest.raises(FlowFileError):
        load(case.text, name="f.yaml")


def test_there_are_enough_cases() -> None:
    assert len({case.text for case in cases()}) >= 150


def test_there_are_cases_for_every_code() -> None:
    shown = {line.split()[1] for case in cases() for line in case.expected}
    elsewhere = {
        *("too_large", "not_utf8", "too_many_steps", "no_reentry_chosen"),  # below
        *("flow_twice", "not_in_order"),  # test_flow_files.py, test_timeline_file.py
        *("delay_below_source_lag", "missing_exit", "always_true_negation", "never_true"),  # test_flowfile_lint.py
        *(
            "unknown_template",
            "no_templates",
            "bad_template",
            "not_in_message",
            "no_effect",
            "asks_itself",
        ),  # there too
        *("field_not_sent", "event_not_sent"),  # test_flowfile_not_sent.py
        "unknown_plugin",  # test_plugins_published.py
    }
    assert shown | elsewhere == set(get_args(Code)) == set(MEANINGS)


def test_a_message_says_what_was_found_and_what_was_expected() -> None:
    text = HEAD + "steps: [{ wait: { for: 15 minutes } }]"
    [finding] = check(text, name="flows/f.yaml").findings
    assert str(finding) == (
        "flows/f.yaml:3:24: error bad_duration: `for` must be a span such as 15m, 4h, 1d12h, 2w or 6mo, at most "
        '120mo or 3660d, not the text "15 minutes". Did you mean 15m?'
    )


def test_an_unknown_trigger_is_told_which_there_are() -> None:
    text = HEAD.replace("event: checkout_started", "list_join: news") + "steps: [{ stop: x }]"
    [finding] = check(text, name="f").findings
    assert str(finding) == (
        "f:2:21: error unknown_key: there is no kind of trigger `list_join`, only `event`, `list.join`, `api`, `date` "
        "and `schedule`. Did you mean list.join?"
    )


def test_a_file_that_is_too_large() -> None:
    assert found_in("#" * (FLOW_FILE_BYTES_MAX + 1)) == ["1:1 too_large"]
    assert found_in(b"#" * 10_000_000) == ["1:1 too_large"]
    assert found_in("é" * FLOW_FILE_BYTES_MAX) == ["1:1 too_large"]


def test_bytes_that_are_not_utf_8() -> None:
    assert found_in(b"flow: f\nstatus: " + b"\xff\xfe") == ["2:9 not_utf8"]


def test_a_character_that_yaml_does_not_allow() -> None:
    assert found_in("flow: f\nstatus: li\x00ve") == ["2:11 syntax"]


def test_a_number_too_long_for_an_int() -> None:
    assert found_in("%YAML 1." + "9" * 5_000 + "\n---\nflow: f") == ["1:1 syntax"]


def test_more_steps_than_allowed() -> None:
    text = HEAD + "steps:\n" + "  - wait: { for: 1h }\n" * (STEPS_MAX + 1)
    assert found_in(text) == [f"{STEPS_MAX + 4}:5 too_many_steps"]
    assert found_in(HEAD + "steps:\n" + "  - wait: { for: 1h }\n" * STEPS_MAX) == []


def test_more_exit_rules_than_allowed() -> None:
    text, rule = HEAD + "steps:\n  - stop: done\nexit:\n", "  - when: { event: order_placed }\n"
    assert found_in(text + rule * (EXIT_RULES_MAX + 1)) == [f"{EXIT_RULES_MAX + 6}:5 out_of_range"]
    assert found_in(text + rule * EXIT_RULES_MAX) == []


def test_more_mistakes_than_anybody_reads() -> None:
    text = HEAD + "steps:\n" + "  - wiat: { for: 1h }\n" * 1_000
    assert len(check(text, name="f").findings) == FINDINGS_MAX


def test_an_event_that_nobody_could_report_is_none() -> None:
    for length, found in ((TYPE_LENGTH_MAX, []), (TYPE_LENGTH_MAX + 1, ["2:28 unknown_event"])):
        text = HEAD.replace("checkout_started", "custom_".ljust(length, "a")) + "steps: [{ stop: done }]"
        assert found_in(text) == found


def test_more_warnings_than_anybody_reads_do_not_keep_a_file_from_compiling() -> None:
    branches = ", ".join(["{ event: order_placed }"] * 150)
    text = HEAD + f"steps:\n  - wait_event: {{ branches: [{branches}], timeout: 1d }}\n  - stop: done\n"
    flow, findings = check(text, name="f")
    assert flow is not None
    assert len(findings) == FINDINGS_MAX
    assert check(text.replace("stop: done", "stpo: done"), name="f").flow is None


def test_a_warning_is_no_error() -> None:
    checked = check(HEAD.replace(", reentry: always", "") + "steps: [{ stop: done }]", name="f")
    assert checked.flow is not None
    assert [(finding.code, finding.severity, finding.line) for finding in checked.findings] == [
        ("no_reentry_chosen", "warning", 2)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{a: " * 60_000,
        "- " * 120_000,
        "? " * 120_000,
        "&" * 200_000,
        '"' + "\\" * 200_000,
        "\n" * 200_000,
    ],
    ids=lambda text: text[:4],
)
def test_text_made_to_hurt_is_refused(text: str) -> None:
    with in_proportion(text):
        assert found_in(text)
