"""The reference of flow files says what the compiler does."""

from __future__ import annotations

import re
from pathlib import Path

from agents import flow_files, resources
from schemas.catalog import BY_SHORT, words_of
from streams import timeline
from streams.flowfile import check, load, load_timelines
from streams.flowfile.comparisons import OPERATORS
from streams.policy_trial import told_apart, trial

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference" / "flow-files.md").read_text()


def shown() -> dict[str, str]:
    """Every flow on a page for readers. Those of findings are judged by what their page says of them."""
    pages = [ROOT / "README.md", *(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "findings")]
    return {
        f"{page.relative_to(ROOT)}, {number}": flow
        for page in pages
        for number, flow in enumerate(
            re.findall(r"^```yaml\n(flow: .*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        )
    }


def test_every_flow_on_every_page_compiles() -> None:
    found = {place: [str(one) for one in check(flow, name=place).findings] for place, flow in shown().items()}
    assert {place.partition(",")[0] for place in found} >= {"README.md", "docs/reference/flow-files.md"}
    assert {place: said for place, said in found.items() if said} == {}


def section(title: str) -> str:
    return re.split(r"^#+ ", REFERENCE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_its_examples_compile() -> None:
    *flows, timelines, of_two, of_policy = re.findall(r"^```yaml\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
    compiled = [load(text, name="flow-files.md") for text in flows]
    assert len(compiled) == 3
    for text in (timelines, of_two):
        for one in load_timelines(
            text, name="flow-files.md", flow=compiled[0], others=lambda: {flow.name: flow for flow in compiled}
        ):
            assert timeline.run(compiled[0], one).failures == ()
    policy = flow_files.load_policy(resources.flows())
    [tried] = load_timelines(of_policy, name="flow-files.md", flow=trial(policy))
    assert timeline.run(trial(policy), told_apart(tried), policy=policy).failures == ()


def test_it_names_every_event_and_word() -> None:
    named = set(re.findall(r"`([a-z_]+)`", section("Events and their words")))
    assert named >= set(BY_SHORT) | {word for short in BY_SHORT for word in words_of(short)}


def test_it_names_every_operator() -> None:
    rows = dict(re.findall(r"^\| (\w+|every kind) \| (.*?) \|", section("Conditions"), re.MULTILINE))
    always = rows.pop("every kind").split()
    for kind, operators in OPERATORS.items():
        assert [*rows[kind].split(), *always] == [f"`{operator}`" for operator in operators]
