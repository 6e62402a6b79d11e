"""docs/capabilities.md and the tests that carry its ids in their names say the same, both ways."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\S+-\d+) \| .+ \| (.+) \|$", re.MULTILINE)
CARRIES = re.compile(r"^ *(?:async )?def test_(s\d|clock)_(\d+)_", re.MULTILINE | re.IGNORECASE)

#: What must work by now: rows may be added to it, and none may go.
SCOPE = {
    *(f"S0-{number:02}" for number in (1, 2, 3, 4, 6, 8, 9, 10, 11, 12, 14, 15, 16, 17, 21)),
    "S1-04", "S1-05", "S4-06", "S4-07", "S4-08",
    *(f"clock-{number}" for number in range(1, 6)),
}  # fmt: skip


def carried(text: str) -> set[str]:
    """The ids that the tests of a file carry, as the page writes them."""
    return {f"{group.upper() if group != 'clock' else group}-{number}" for group, number in CARRIES.findall(text)}


def on_the_page() -> dict[str, set[str]]:
    """Files by row."""
    page = (ROOT / "docs" / "capabilities.md").read_text()
    return {row: set(re.findall(r"`([^`]+)`", files)) for row, files in ROW.findall(page)}


def in_the_tests() -> dict[str, set[str]]:
    """The same, from the tests."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        for row in carried(path.read_text()):
            found[row].add(path.relative_to(ROOT / "tests").as_posix())
    return dict(found)


def test_an_id_is_found_however_it_is_written() -> None:
    text = "def test_s0_02_a() -> None:\n    async def test_S4_09_b(self)\ndef test_clock_1_c()\ndef test_s_of_shops()"
    assert carried(text) == {"S0-02", "S4-09", "clock-1"}


def test_every_row_in_scope_is_on_the_page() -> None:
    assert SCOPE - on_the_page().keys() == set()


def test_each_row_names_the_tests_that_carry_it_and_each_test_a_row() -> None:
    assert on_the_page() == in_the_tests()
