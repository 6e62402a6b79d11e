"""Moving people: who is counted, where a map of labels leads, and what it must not leave out."""

from __future__ import annotations

import pytest

from agents.errors import InputRefused
from agents.relocation import Census, Leg, check_labels, legs
from streams.flowfile.findings import FlowFileError
from streams.flowfile.label_file import load_labels
from tests.unit.stage import ANN, BOB, Stage, checkout, flow, order, send, settle, wait

OLD = flow()
NEW = flow(wait(20, label="pause"), send(), version="2")


def census(*states: tuple[bytes, bytes | None]) -> Census:
    counted = Census("reminder")
    for key, state in states:
        counted.take(key, state)
    return counted


def in_the_flow() -> Stage:
    return Stage(OLD, clock="live").event(checkout("10:00")).event(checkout("10:01", who="bob"))


def test_people_are_counted_by_version_and_label() -> None:
    stage = in_the_flow().activate("10:02", 7, NEW, OLD).event(checkout("10:03", who="cid"))
    found = census(*stage.store.items()).elsewhere("2")
    assert legs(found.values(), {"wait": "pause"}) == [Leg("1", "wait", "pause", 2)]
    assert set(found) == {ANN, BOB}


def test_the_state_of_the_highest_offset_counts_wherever_it_stands() -> None:
    stage = in_the_flow()
    before = dict(stage.store)
    stage.event(order("10:05"))
    after = stage.store
    assert set(census((ANN, after[ANN]), (BOB, after[BOB])).elsewhere("2")) == {BOB}
    assert set(census((ANN, before[ANN]), (ANN, after[ANN]), (ANN, before[ANN])).elsewhere("2")) == set()
    assert set(census((ANN, before[ANN]), (ANN, None)).elsewhere("2")) == set()


def test_who_is_in_another_flow_only_is_not_held() -> None:
    stage = Stage(flow(name="other"), clock="live").event(checkout("10:00"))
    assert census(*stage.store.items()).elsewhere("2") == {}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "wait: removed since version 1, and the map does not say"),
        ({"wait": "paus"}, "wait -> paus: version 2 has no step paus; did you mean pause?"),
        ({"wait": "pause", "waitt": "pause"}, "waitt: no older version has a step of that label; did you mean wait?"),
    ],
)
def test_a_map_that_leads_nowhere_is_refused(labels: dict[str, str], said: str) -> None:
    """Semantics 12.5: a removed label without mapping is an error."""
    with pytest.raises(InputRefused) as refused:
        check_labels(NEW, [OLD], labels)
    assert said in refused.value.message
    assert "pause" in refused.value.next_step


def test_labels_that_stay_need_no_map() -> None:
    check_labels(flow(wait(1), settle(), send(), version="2"), [OLD], {})


def test_a_step_where_nobody_can_stand_needs_no_map() -> None:
    check_labels(NEW, [OLD], {"wait": "pause"})


def test_a_map_is_read() -> None:
    assert load_labels("wait: pause\nremind: first\n", name="m.yaml") == {"wait": "pause", "remind": "first"}


@pytest.mark.parametrize(
    "text", ["[wait, pause]", "wait: [pause]", "wait: pause\nwait: other", "", "wait: 3", "a: &x b"]
)
def test_a_map_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FlowFileError):
        load_labels(text, name="m.yaml")
