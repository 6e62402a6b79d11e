"""Issue 5, section 1: every finding says what to write instead, or what to do next, and not its message again."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from agents.reference import finding_pages
from agents.reference.files import ROOT
from streams.flowfile import Finding, check
from streams.flowfile.findings import Code
from streams.flowfile.meanings import MEANINGS, page_of
from tests.unit.test_flowfile_mistakes import Case, cases

CODES: tuple[Code, ...] = get_args(Code)


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w.]+", text.lower().rstrip(".")))


def helps(finding: Finding, text: str) -> bool:
    """A suggestion that is there, and is news: no word that stands there already, no sentence of the message."""
    if finding.instead:
        line = text.splitlines()[finding.line - 1]
        there = re.match(r'"[^"]*"|[^\s,{}\[\]]*', line[finding.column - 1 :], re.ASCII)
        return bool(finding.suggestion.strip()) and there is not None and there[0].rstrip(":") != finding.suggestion
    news = words(finding.suggestion) - words(finding.message)
    codes = [code for code in re.findall(r"`[^`]+`", finding.suggestion) if code not in finding.message]
    is_sentence = re.fullmatch(r"[A-Z].*\.", finding.suggestion) is not None
    return (
        is_sentence
        and (len(news) >= 2 or bool(codes))
        and finding.suggestion.rstrip(".").lower() not in finding.message.lower()
    )


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.title)
def test_every_finding_of_a_wrong_file_has_a_suggestion(case: Case) -> None:
    found = check(case.text, name="f.yaml").findings
    assert found
    assert [str(finding) for finding in found if not helps(finding, case.text)] == []


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_one_in_the_example_of_its_page(code: Code) -> None:
    page = finding_pages.read((ROOT / page_of(code)).read_text(encoding="utf-8"))
    assert page.wrong is not None
    for finding in finding_pages.findings_of(page.wrong):
        assert finding.suggestion in str(finding)
        assert finding.instead or helps(finding, "")


@pytest.mark.parametrize("code", CODES)
def test_what_a_code_says_to_do_is_not_what_it_says_is_wrong(code: Code) -> None:
    says, next_step = MEANINGS[code].says, MEANINGS[code].next_step
    assert re.fullmatch(r"[A-Z].*\.", next_step)
    assert next_step.rstrip(".").lower() not in says.lower()
    assert words(next_step) - words(says)
