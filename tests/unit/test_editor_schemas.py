"""The schemas for editors let through what compiles, and refuse what is of the wrong shape."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from agents.reference import finding_pages
from agents.reference.files import ROOT, heard, heard_policy
from agents.reference.grammar import EXAMPLES, Grammar
from agents.reference.lines import LINES
from streams.flowfile import check
from streams.flowfile.findings import Findings, Unreadable
from streams.flowfile.nodes import Listing, Mapping, Node, Scalar
from streams.flowfile.strict_yaml import parse
from tests.unit.test_flowfile import ABANDONED_CHECKOUT
from tests.unit.test_flowfile_mistakes import Case, cases

#: What a schema can see: the shape of a file, not how its parts go together.
SHAPES = {
    "wrong_shape", "unknown_key", "missing_key", "quotes_needed", "not_a_number", "bad_name", "bad_duration",
    "bad_choice", "empty", "not_available_yet", "unknown_event", "unknown_operator", "wrong_kind", "bad_money",
    "no_step", "two_steps_in_one",
}  # fmt: skip
#: Of these shapes what only the compiler sees, by the title of the case.
UNSEEN = {
    "waits: a span that is too long",
    "waits: a date that is money",
    "waits: before and after",
    "waits: a match across kinds",
    "waits: a holdout beyond a tenth of a percent",
    "waits: a fact with a name that is none",
    "waits: an event of a shop, reported by a flow",
    "waits: a route by an amount",
    "waits: a word of a call that is declared",
    "waits: a date of a word that is a list",
    "waits: a schedule on weekdays and on a day",
    "head: an exit that matches money with text",
    "head: a key that is money",
    "steps: a route by money",
    "steps: a case that is no text",
    "head: never, but not really",
    "sends: a window on a day that is none",
    "sends: a cap that defers forever",
    "sends: a cap that skips and expires",
    "sends: a variable called trigger",
    "sends: a variable of a fact without a name",
    "conditions: a count without a number",
    "conditions: a count in a window and since the start",
    "conditions: a count whose match compares across kinds",
    "conditions: the last event, and nothing asked of it",
    "conditions: the last event, ago without a comparison",
    "conditions: a weekday that is none",
    "conditions: a word of one's own with the name of another",
    "conditions: an exit rule on the person without a reason",
    "entry: a key that is a list of items",
    "entry: a word of one's own event of two kinds",
    "entry: a list for a key with words that cannot be one",
    "operands: a number with an exponent",
    "operands: a number of forty digits",
    "ways: a route by a list",
    "ways: a case that is a boolean",
    "slips: nothing, which every text contains",
    "slips: nothing, with which every text begins",
    "slips: nothing, which no text lacks",
    "slips: a currency that is none",
    "slips: a list of no name",
    "slips: a list of a space",
    "slips: a date of a fact that is a list",
    "slips: a date of a yes or no",
    "slips: a wait until a yes or no",
    "slips: a route by a yes or no",
    "slips: a country as a number",
    "slips: a birthday that is no day",
    "slips: a birthday that no year has",
    "slips: an agreement as a text",
    "slips: a city made of money",
    "slips: a city made of a yes or no",
}


def schema(name: str) -> Draft202012Validator:
    text = (ROOT / "schemas" / "published" / f"{name}.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text), validate_formats=True)


FLOW_FILE = schema("flow-file")
TIMELINE_FILE = schema("timeline-file")
POLICY_FILE = schema("policy-file")


def document(text: str) -> Any:
    """A file as an editor sees it: JSON values by the rules of YAML 1.2."""
    return plain(parse(text, Findings("f.yaml")))


def plain(node: Node) -> Any:
    if isinstance(node, Listing):
        return [plain(item) for item in node.items]
    if isinstance(node, Mapping):
        return {key: plain(value) for key, (_, value) in node.entries.items()}
    assert isinstance(node, Scalar)
    match node.kind:
        case "null":
            return None
        case "boolean":
            return node.text.lower() == "true"
        case "number":
            if re.fullmatch("[-+]?[0-9]+", node.text):
                return int(node.text)
            return float(node.text) if re.fullmatch("[-+0-9.eE]+", node.text) else None  # JSON has no infinity
    return node.text


def flows() -> list[Any]:
    """Everything that compiles, from the recipes, the tests and the documentation."""
    folders = ("deploy/flows", "tests/data/flows", EXAMPLES)
    found = {
        str(path.relative_to(ROOT)): path.read_text() for folder in folders for path in (ROOT / folder).glob("*.yaml")
    }
    found["test_flowfile.py"] = ABANDONED_CHECKOUT
    for page in sorted((ROOT / "docs").rglob("*.md")):
        texts = re.findall(r"^```yaml\n(flow: .*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        found |= {f"{page.name}:{number}": text for number, text in enumerate(texts)}
    compiling = {name: text for name, text in found.items() if check(text, name=name).flow is not None}
    return [pytest.param(text, id=name) for name, text in compiling.items()]


@pytest.mark.parametrize("text", flows())
def test_every_flow_that_compiles_is_valid(text: str) -> None:
    assert [(error.message, error.instance_path) for error in FLOW_FILE.iter_errors(document(text))] == []


def shapes() -> list[Case]:
    return [case for case in cases() if {line.split()[1] for line in case.expected} & SHAPES]


@pytest.mark.parametrize("case", shapes(), ids=lambda case: case.title)
def test_a_file_of_the_wrong_shape_is_not(case: Case) -> None:
    try:
        found = document(case.text)
    except Unreadable:
        return  # An editor has no tree either.
    assert FLOW_FILE.is_valid(found) == (case.title in UNSEEN)


def timelines() -> list[Any]:
    paths = sorted((ROOT / "deploy" / "flows").glob("*.test.yaml"))
    return [pytest.param(path.read_text(), id=path.name) for path in paths]


@pytest.mark.parametrize("text", timelines())
def test_every_timeline_of_a_recipe_is_valid(text: str) -> None:
    assert [(error.message, error.instance_path) for error in TIMELINE_FILE.iter_errors(document(text))] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("checkout_started", "checkout_start"),
        ('total: "80.00"', "total: 80.00"),
        ("profile: p1, ", ""),
        ("{ sends: 0 }", "{ sends: none }"),
        ("{ ended: bought }", "{ over: bought }"),
        ("advance:", "advanced:"),
        ("complete_through", "completed_through"),
        ("with: [welcome]", "with: welcome"),
        ("{ entered: 1, flow: welcome }", "{ duplicates: 1, flow: welcome }"),
        ("  expect: [{ sends: 0 }, { entered: 1, flow: welcome }, { ended: bought }]\n", ""),
    ],
)
def test_a_timeline_of_the_wrong_shape_is_not(right: str, wrong: str) -> None:
    text = """- name: a day
  with: [welcome]
  timeline:
    - { at: "10:00", checkout_started: { profile: p1, total: "80.00" } }
    - { at: "10:10", custom_quiz: { anonymous: b1 } }
    - { at: "10:20", watermark: { source: shop.orders, complete_through: "10:20" } }
    - { advance: "12:00" }
  expect: [{ sends: 0 }, { entered: 1, flow: welcome }, { ended: bought }]
"""
    assert TIMELINE_FILE.is_valid(document(text))
    assert right in text
    assert not TIMELINE_FILE.is_valid(document(text.replace(right, wrong)))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("policy: every_rule\n", ""),
        ("consent: required", "consent: maybe"),
        ("channels: [sms, email]", "channels: sms"),
        ("max: 2", 'max: "2"'),
        ("per: 24h", "per: day"),
        ("loyalty_points: number", "loyalty_points: integer"),
        ("lag: 2h, ", ""),
        ('holidays: ["2026-12-25"]', "holidays: christmas"),
        ("sources:", "source:"),
    ],
)
def test_a_policy_of_the_wrong_shape_is_not(right: str, wrong: str) -> None:
    text = (ROOT / EXAMPLES / "policy.yaml").read_text()
    assert [error.message for error in POLICY_FILE.iter_errors(document(text))] == []
    assert right in text
    assert not POLICY_FILE.is_valid(document(text.replace(right, wrong)))


@pytest.mark.parametrize("name", ["flow-file", "policy-file", "timeline-file"])
def test_each_is_a_described_schema_of_2020_12(name: str) -> None:
    made = json.loads((ROOT / "schemas" / "published" / f"{name}.json").read_text())
    meta.validate(made)
    assert made["$id"] == f"urn:cartwheel:schema:{name}:1"
    assert made["title"]
    assert made["description"]


def test_the_words_of_a_condition_are_those_of_its_event() -> None:
    flow = document(ABANDONED_CHECKOUT)
    assert FLOW_FILE.is_valid(flow)
    flow["entry"]["trigger"]["event"] = "site_active"  # which has no `total`
    assert not FLOW_FILE.is_valid(flow)
    flow["entry"]["trigger"]["event"] = "custom_anything"
    assert FLOW_FILE.is_valid(flow)


class TestTheGrammar:
    """It is heard from the compiler, so the flows that are listened to must use every key."""

    def test_the_examples_use_every_key(self) -> None:
        assert heard().unused() == []
        assert heard_policy().unused() == []

    def test_a_key_without_an_example_is_named(self) -> None:
        assert "`send`: priority" in Grammar([ABANDONED_CHECKOUT]).unused()

    def test_a_wrong_example_is_refused(self) -> None:
        with pytest.raises(ValueError, match="unknown_event"):
            Grammar([ABANDONED_CHECKOUT.replace("order_placed", "order_plced")])

    def test_every_key_has_its_line_and_no_line_is_left_over(self) -> None:
        known = {(what, key) for grammar in (heard(), heard_policy()) for what, key, _ in grammar.all_keys()}
        assert known == {(what, key) for what, lines in LINES.items() for key in lines}


def test_a_page_cannot_be_shown_as_code_without_its_language() -> None:
    """Every block of a finding's page is a file or an answer: one without a language would be passed over."""
    for path in Path(ROOT, "docs/reference/findings").glob("*.md"):
        openings = re.findall(r"^```(\S*)", path.read_text(), re.MULTILINE)[::2]
        assert all(openings), path.name
    assert finding_pages.read("# x\n\nNothing.\n").wrong is None
