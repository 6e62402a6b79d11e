"""The page of metrics says of every process what it shows, and nothing else; what counts is there before it counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from agents.dispatch.metrics import Metrics as OfDispatcher
from agents.intake.metrics import Metrics as OfIntake
from agents.projector.metrics import Metrics as OfProjector
from agents.worker import counted
from schemas.refusals import REASONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/metrics.md").read_text()
#: The dispatcher adds these when it follows the dead letters.
ELSEWHERE = {"cartwheel_dead_letters_open", "cartwheel_dead_letters_oldest_seconds"}


@pytest.mark.parametrize(
    ("heading", "stage", "registry"),
    [
        ("Intake", "intake", OfIntake().registry),
        ("Dispatcher", "dispatcher", OfDispatcher().registry),
        ("Projector", "projector", OfProjector().registry),
    ],
)
def test_names_and_labels_are_those_of_the_page(heading: str, stage: str, registry: CollectorRegistry) -> None:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [row.strip("|").split("|") for row in section.splitlines() if row.startswith("| `")]
    told = {re.findall("`(.*?)`", name)[0]: set(re.findall("`(.*?)`", labels)) for name, labels, *_ in rows}
    text = generate_latest(registry).decode()
    names = {name for name in re.findall(r"^# TYPE (\S+) ", text, re.M) if not name.endswith("_created")}
    assert set(told) - ELSEWHERE == names
    letters = re.findall(r"^cartwheel_dead_letters_total\{(.*)\} (\S+)$", text, re.M)
    assert sorted(letters) == sorted((f'reason="{reason}",stage="{stage}"', "0.0") for reason in REASONS)
    labels = {name: set(re.findall(r'(\w+)="', found)) - {"le"} for name, found in _series(text)}
    assert {name: found for name, found in labels.items() if told.get(name, found) != found} == {}


@pytest.mark.parametrize("words", [counted.EVENTS, counted.BENT, counted.EVICTED, counted.OUTCOMES, counted.TIMERS,
                                   counted.PASSED, counted.HELD, counted.ZONE_SOURCES, counted.CAUSES])  # fmt: skip
def test_every_word_of_a_label_stands_on_the_page(words: tuple[str, ...]) -> None:
    assert [word for word in words if f"`{word}`" not in PAGE] == []


def test_runbooks_and_how_tos_name_metrics_that_there_are() -> None:
    pages = [*(ROOT / "deploy/runbooks").glob("*.md"), *(ROOT / "docs/how-to").glob("*.md"), ROOT / "docs/semantics.md"]
    named = {(page.name, name) for page in pages for name in re.findall(r"\bcartwheel_[a-z_]+", page.read_text())}
    assert len(named) > 5
    assert [(page, name) for page, name in sorted(named) if f"| `{name}` |" not in PAGE] == []


def _series(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^([a-z_]+)\{(.*)\} ", text, re.M)
