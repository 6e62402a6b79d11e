"""Every sentence of docs/semantics.md is cited by a test, and no test cites one that is not there.

A test cites by writing, say, "Semantics 3.4" or "semantics 3.4, 4.1 to 4.3 and 8.2" in its docstring, that of its class
or of its module, or in a comment. What stands for a whole section ("semantics 6") cites nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SENTENCE = re.compile(r"^\*\*(\d+\.\d+)\*\*", re.MULTILINE)
CITATION = re.compile(r"\bsemantics\s+((?:\d+\.\d+(?:\s*\([a-z]\))?(?:,\s*|\s+and\s+|\s+to\s+)?)+)", re.IGNORECASE)


def cited(text: str) -> set[str]:
    found = set()
    for several in CITATION.findall(text):
        for first, last in re.findall(r"(\d+\.\d+)(?:\s+to\s+(\d+\.\d+))?", several):
            section, start = first.split(".")
            found |= {f"{section}.{number}" for number in range(int(start), int((last or first).split(".")[1]) + 1)}
    return found


SENTENCES = set(SENTENCE.findall((ROOT / "docs" / "semantics.md").read_text()))
CITED = {path: cited(path.read_text()) for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)}


def test_a_citation_is_found_however_it_is_written() -> None:
    assert cited("Semantics 3.4, 4.1 and 8.2.") == {"3.4", "4.1", "8.2"}
    assert cited("semantics 4.1 to 4.3") == {"4.1", "4.2", "4.3"}
    assert cited("semantics 6: the gate") == set()
    assert len(SENTENCES) >= 50


def test_every_sentence_is_cited() -> None:
    found = set().union(*CITED.values())
    assert sorted(SENTENCES - found, key=lambda one: [*map(int, one.split("."))]) == []


def test_nothing_is_cited_that_is_not_there() -> None:
    assert {path.name: wrong for path, numbers in CITED.items() if (wrong := numbers - SENTENCES)} == {}
