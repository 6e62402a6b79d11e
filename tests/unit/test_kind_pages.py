"""Every kind of trigger, step and predicate has a page: its examples compile and do what their timelines say, its
mistakes are mistakes, and it names the sentences of the semantics by which it goes."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from agents.reference import kind_pages
from agents.reference.files import ROOT, heard
from agents.reference.kind_pages import FAMILIES, Family
from streams import timeline
from streams.flowfile import check, load_timelines, predicates, step_kinds, triggers

SEMANTICS = (ROOT / kind_pages.SEMANTICS).read_text(encoding="utf-8")
PAGES = [pytest.param(family, kind, id=kind) for family in FAMILIES for kind in family.kinds]
#: Kinds whose module has another name, as theirs is a word of Python or of another thing.
MODULES = {"list.join": "list_join", "if": "branch", "set": "set_fact"}


def text_of(family: Family, kind: str) -> str:
    return (ROOT / family.path(kind)).read_text(encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_kind_has_its_page_and_there_are_no_others(family: Family) -> None:
    pages = {path.name for path in (ROOT / family.folder).iterdir()}
    assert pages == {"README.md", *(Path(family.path(kind)).name for kind in family.kinds)}


@pytest.mark.parametrize(
    ("table", "package"),
    [
        (triggers.TRIGGERS, triggers.__name__),
        (step_kinds.KINDS, step_kinds.__name__),
        (predicates.PREDICATES, predicates.__name__),
    ],
    ids=["triggers", "steps", "predicates"],
)
def test_every_kind_has_a_module_of_its_own(table: dict[str, object], package: str) -> None:
    readers = {kind: getattr(read, "__module__", "") for kind, read in table.items()}
    assert readers == {kind: f"{package}.{MODULES.get(kind, kind)}" for kind in table}


@pytest.mark.parametrize(("family", "kind"), PAGES)
def test_its_examples_compile_and_do_what_they_say(family: Family, kind: str) -> None:
    blocks = kind_pages.examples(text_of(family, kind))
    found = {text: check(text, name=kind) for text in blocks if text.startswith("flow: ")}
    assert [str(finding) for checked in found.values() for finding in checked.findings] == []
    assert any(re.search(rf"\b{re.escape(kind)}:", text) for text in found)
    flows = {checked.flow.name: checked.flow for checked in found.values() if checked.flow is not None}
    played = 0
    for text, beside in pairwise(blocks):
        if text in found and beside not in found:
            flow = found[text].flow
            assert flow is not None
            for one in load_timelines(beside, name=kind, flow=flow, others=lambda: flows):
                assert timeline.run(flow, one).failures == ()
                played += 1
    assert played or kind == "plugin"


@pytest.mark.parametrize(("family", "kind"), PAGES)
def test_its_mistakes_are_mistakes(family: Family, kind: str) -> None:
    rows = kind_pages.mistakes(text_of(family, kind))
    assert len(rows) >= 3
    for written in rows:
        assert kind_pages.said_of(family, written)[0].severity == "error", written


@pytest.mark.parametrize(("family", "kind"), PAGES)
def test_every_sentence_that_it_names_is_linked_to_its_section(family: Family, kind: str) -> None:
    text = text_of(family, kind)
    named = set(re.findall(r"\[(\d+\.\d+)\](?!:)", text))
    links = dict(re.findall(r"^\[(\d+\.\d+)\]: \.\./\.\./semantics\.md#(\S+)$", text, re.MULTILINE))
    assert named
    assert links.keys() == named
    for number, anchor in links.items():
        section = re.findall(r"^## (.+)$", SEMANTICS.partition(f"**{number}**")[0], re.MULTILINE)[-1]
        assert anchor == section.lower().replace(".", "").replace(",", "").replace(" ", "-")


def test_the_frame_of_a_mistake_has_no_other() -> None:
    right = ("trigger: { event: order_placed }", "set: { seen: true }", "in_flow: welcome")
    for family, written in zip(FAMILIES, right, strict=True):
        assert [str(one) for one in kind_pages.said_of(family, written) if one.severity == "error"] == []


def test_a_sentence_that_is_not_there_is_refused() -> None:
    text = text_of(FAMILIES[0], "event").replace("[3.1]", "[3.99]")
    with pytest.raises(ValueError, match=r"event\.md names sentences that are not there: 3\.99"):
        kind_pages.made(FAMILIES[0], "event", text, heard(), _links(text))


def _links(text: str) -> dict[str, str]:
    return {number: "" for number in re.findall(r"\[(\d+\.\d+)\]", text) if number != "3.99"}


def test_what_is_written_by_hand_is_kept() -> None:
    [family, *_] = FAMILIES
    page = text_of(family, "api").replace("A run begins", "By hand: a run begins")
    found = kind_pages.files(ROOT, heard())[family.path("api")]
    anchors = dict(re.findall(r"^\[(\d+\.\d+)\]: .*#(\S+)$", page, re.MULTILINE))
    assert kind_pages.made(family, "api", page, heard(), anchors) == found.replace("A run", "By hand: a run", 1)


def test_a_default_is_named_only_where_there_is_one() -> None:
    """A comparison that is absent is none; it does not compare with 0."""
    assert "| `gte` | a whole number from 0 to 1000000 | none |" in text_of(FAMILIES[2], "event_count")
    assert "| `priority` | a whole number from 0 to 9 | `5` |" in text_of(FAMILIES[1], "send")
