"""Whatever is handed to the compiler, it answers: a flow or findings, never an exception."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import timeline
from streams.flowfile import Checked, FlowFileError, check, load, load_timelines
from streams.flowfile.findings import Findings
from streams.flowfile.strict_yaml import parse
from tests.fuzz.inputs import make, read_and_laid
from tests.fuzz.properties import STAGES, TooMuchWork, at_most, hold

FLOW = """flow: f
entry:
  trigger: { event: checkout_started, source: [shop.site] }
  where: { any: [{ total: { gte: { money: "20.00", currency: USD } } }, { not: { store: { in: ["2"] } } }] }
  key: trigger.checkout_id
  reentry: { min_gap: 7d, from: start }
exit:
  - when: { event: order_placed, match: { checkout_id: trigger.checkout_id } }
steps:
  - wait: { for: 1h30m }
  - if: { condition: { trigger.total: { is_set: true } }, then: [{ wait: { for: 1d } }], otherwise: last }
  - label: last
    send: { template: t, channel: email, class: marketing, settle: { sources: [shop.orders] } }
"""
TIMELINES = """- name: one
  timeline:
    - { at: "10:00", checkout_started: { profile: p1, checkout_id: C1, total: "80.00", items: [{ a: 1 }] } }
    - { at: "10:10", arrives: "10:40", source: s, order_placed: { profile: p1, checkout_id: C1 } }
    - { at: "10:41", watermark: { source: shop.orders, complete_through: "10:40" } }
    - { end: "12:00" }
  expect: [{ ended: order_placed, at: "10:40", profile: p1 }, { sends: 0 }]
"""
#: Pieces that mean something to YAML, so that nonsense goes deep.
PIECES = [
    *"{}[]:,-#&*!|>'\"%@`?~<=\n\t\\ ",
    "\n  ",
    "- ",
    "? ",
    ": ",
    "<<: ",
    "---\n",
    "...\n",
    "!!str ",
    "&a ",
    "*a",
    "null",
]
PIECES += [
    "on",
    "1e5",
    "0x1F",
    ".nan",
    "-1",
    "10:00",
    "\ufeff",
    "\x85",
    "\u2028",
    "\x00",
    "\ud800",
    "9" * 30,
    "stop: x",
]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """The text with a few cuts, copies and insertions."""
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(text)))
        until = min(len(text), at + draw(st.integers(0, 12)))
        start = draw(st.integers(0, max(0, len(text) - 1)))
        piece = draw(
            st.sampled_from(PIECES) | st.just(text[start : start + draw(st.integers(1, 40))]) | st.text(max_size=3)
        )
        text = text[:at] + piece + text[until:]
    return text


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_file_is_answered_in_bounded_work_at_places_in_it_and_what_compiles_runs(seed: int) -> None:
    """A hundredth of a percent of `make fuzz`: see `tests.fuzz.properties` for what must hold."""
    for number in range(50):
        hold(make(f"unit:{seed}:{number}"))


def test_the_same_seed_makes_the_same_input() -> None:
    assert [make(f"again:{number}") for number in range(20)] == [make(f"again:{number}") for number in range(20)]


def test_the_damaged_files_go_deep() -> None:
    came = Counter(hold(make(f"some:{number}"), bounded=False) for number in range(200))
    assert set(came) == set(STAGES)
    assert came["compiler"] + came["compiled"] > 200 / 5


def test_the_tree_that_an_input_brings_is_what_the_reader_makes_of_its_text() -> None:
    laid = [one for number in range(60) if (one := read_and_laid(f"laid:{number}")) is not None]
    assert len(laid) > 30
    for text, root in laid:
        assert parse(text, findings := Findings("f.yaml")) == root
        assert not findings


def test_work_beyond_its_bound_is_found() -> None:
    with pytest.raises(TooMuchWork), at_most(1_000):
        check(FLOW, name="f.yaml")


def is_an_answer(checked: Checked, text: str | bytes) -> None:
    wrong = [finding for finding in checked.findings if finding.severity == "error"]
    assert (checked.flow is None) == bool(wrong)
    for finding in checked.findings:
        assert finding.line >= 1
        assert finding.column >= 1
        assert "\n" not in str(finding)
    if checked.flow is not None:
        assert load(text, name="f.yaml") == checked.flow
        return
    with pytest.raises(FlowFileError) as raised:
        load(text, name="f.yaml")
    assert list(raised.value.findings) == wrong


@given(st.text() | st.binary() | damaged(FLOW))
@settings(max_examples=400, deadline=None)
def test_any_text_is_answered(text: str | bytes) -> None:
    is_an_answer(check(text, name="f.yaml"), text)


@given(st.recursive(st.sampled_from(PIECES), lambda part: st.lists(part, max_size=6).map("".join), max_leaves=60))
@settings(max_examples=200, deadline=None)
def test_any_heap_of_punctuation_is_answered(text: str) -> None:
    is_an_answer(check(text, name="f.yaml"), text)


@given(st.text() | st.binary() | damaged(TIMELINES))
@settings(max_examples=300, deadline=None)
def test_any_timeline_is_answered(text: str | bytes) -> None:
    flow = load(FLOW, name="f.yaml")
    try:
        timelines = load_timelines(text, name="f.test.yaml", flow=flow)
    except FlowFileError:
        return
    for one in timelines:
        timeline.run(flow, one)
