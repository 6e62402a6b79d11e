"""Every finding has a page: its wrong example is found out as the page says, its right one has nothing to find."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from agents import cli
from agents.errors import InputRefused
from agents.reference import finding_pages
from agents.reference.files import ROOT, outdated
from streams.flowfile.findings import Code
from streams.flowfile.meanings import MEANINGS, PAGES

CODES: tuple[Code, ...] = get_args(Code)


def text_of(code: str) -> str:
    return (ROOT / PAGES / f"{code}.md").read_text(encoding="utf-8")


def test_every_code_has_its_meaning_and_its_page_and_there_are_no_others() -> None:
    pages = {path.stem for path in (ROOT / PAGES).glob("*.md")} - {"README"}
    assert pages == set(CODES) == set(MEANINGS)


@pytest.mark.parametrize("code", CODES)
def test_the_wrong_example_shows_it_where_the_page_says_and_the_right_one_is_right(code: str) -> None:
    page = finding_pages.read(text_of(code))
    assert page.wrong is not None
    assert page.right is not None
    said = re.findall(r"^```text\n(.*?)\n```$", page.wrong, re.MULTILINE | re.DOTALL)
    found = finding_pages.findings_of(page.wrong)
    assert said == ["\n".join(map(str, found))]
    assert {finding.code for finding in found} == {code}
    assert finding_pages.findings_of(page.wrong, page.right) == []


@pytest.mark.parametrize("code", CODES)
def test_the_page_begins_with_what_the_table_says(code: Code) -> None:
    meaning = MEANINGS[code]
    title, _, head, *_ = text_of(code).splitlines()
    assert title == f"# `{code}`"
    assert head == f"{'An error' if meaning.severity == 'error' else 'A warning'}. {meaning.says} {meaning.next_step}"


def test_what_is_committed_is_what_would_be_made() -> None:
    assert outdated() == []


def test_making_a_page_again_keeps_what_was_written_by_hand() -> None:
    text = text_of("wrong_kind").replace("error wrong_kind", "something else").replace("Twenty of what?", "By hand.")
    assert finding_pages.made("wrong_kind", text) == text_of("wrong_kind").replace("Twenty of what?", "By hand.")


def test_a_page_without_an_example_gets_its_head_anew() -> None:
    text = "# `bad_instant`\n\nAn error. As it was.\n\nBy hand.\n"
    says = MEANINGS["bad_instant"].says
    assert finding_pages.made("bad_instant", text).startswith(f"# `bad_instant`\n\nAn error. {says}")
    assert finding_pages.made("bad_instant", text).endswith("\n\nBy hand.\n")
    assert "As it was" not in finding_pages.made("bad_instant", text)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["flows", *words])
    return int(ended.value.code or 0), capsys.readouterr().out


def test_explain_shows_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "explain", "wrong_kind")
    assert code == 0
    assert "Twenty of what?" in out
    code, out = run(capsys, "explain", "wrong_kind", "--json")
    assert json.loads(out)["severity"] == "error"
    assert json.loads(out)["text"] == text_of("wrong_kind")


def test_explain_knows_its_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["flows", "explain", "wrong_kidn"])
    assert ended.value.code == InputRefused("", next_step="").exit_code
    assert "did you mean wrong_kind?" in capsys.readouterr().err


def test_check_names_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.yaml").write_text("flow: f\nentry: { trigger: { event: site_active }, reentry: never }\n")
    _, out = run(capsys, "check", str(tmp_path))
    assert "see docs/reference/findings/missing_key.md\n" in out
    _, out = run(capsys, "check", str(tmp_path), "--json")
    assert json.loads(out)["findings"][0]["page"] == "docs/reference/findings/missing_key.md"
