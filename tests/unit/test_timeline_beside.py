"""Timelines with other flows in play: what flows have to do with each other can be tried beside a flow file.

Caps count over all flows (semantics 8.10), a flow offers people to another (14.3), and may ask for it (4.5, 10.5).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from agents import cli
from schemas.flow import Flow
from streams import coverage, timeline
from streams.flowfile import FlowFileError, load, load_timelines
from streams.timeline import Timeline

EXIT = "exit: [{ when: { event: order_placed } }]\n"
CAP = "cap: { group: reminders, max: 1, per: 7d }"


def flow(name: str, trigger: str, *steps: str, entry: str = "") -> Flow:
    listed = "".join(f"  - {step}\n" for step in steps)
    head = f"flow: {name}\nentry: {{ trigger: {{ event: {trigger} }}, reentry: always{entry} }}\n"
    return load(f"{head}{EXIT}steps:\n{listed}", name=f"{name}.yaml")


def remind(channel: str = "log") -> str:
    return f"{{ label: remind, send: {{ template: t, channel: {channel}, class: marketing, {CAP} }} }}"


CHECKOUT = flow("checkout", "checkout_started", "wait: { for: 1h }", remind())
CART = flow("cart", "cart_updated", "wait: { for: 2h }", remind(), entry=", filter: { not: { in_flow: checkout } }")
NURTURE = flow("nurture", "custom_nurture", "{ label: hello, send: { template: t, channel: log } }")
WELCOME = flow("welcome", "list_subscribed", "wait: { for: 1d }", "enter_flow: { flow: nurture }")
OTHERS = {one.name: one for one in (CHECKOUT, CART, NURTURE, WELCOME)}

SEEN = '{ at: "10:00", cart_updated: { profile: p1 } }'
BEGUN = '{ at: "10:30", checkout_started: { profile: p1 } }'


def day(of: Flow, *lines: str, expect: str, more: str = "") -> Timeline:
    text = "".join(["- name: a day\n", more, "  timeline:\n", *(f"    - {line}\n" for line in lines)])
    [one] = load_timelines(f"{text}  expect: [{expect}]\n", name="f.test.yaml", flow=of, others=lambda: OTHERS)
    return one


def failures(of: Flow, *lines: str, expect: str, more: str) -> list[str]:
    found = timeline.run(of, day(of, *lines, expect=expect, more=more)).failures
    return [f"{one.expected} | {one.got}" for one in found]


def test_a_cap_counts_the_messages_of_both() -> None:
    """The checkout's reminder goes at 11:30, the cart's would at 12:00."""
    expect = "{ skipped: 'capped:reminders', at: '12:00' }, { sends: 0 }, { sends: 1, flow: checkout }"
    assert failures(CART, SEEN, BEGUN, more="  with: [checkout]\n", expect=expect) == []
    alone = "{ sent: remind, at: '12:00' }, { sends: 1 }"
    assert failures(CART, SEEN, BEGUN, more="", expect=alone) == []


def test_one_may_ask_for_the_other() -> None:
    lines = [BEGUN, SEEN.replace("10:00", "10:40")]
    assert failures(CART, *lines, more="  with: [checkout]\n", expect="{ refused: filter_false }, { entered: 0 }") == []
    assert failures(CART, *lines, more="", expect="{ entered: 1 }") == []


def test_one_hands_a_person_to_the_other() -> None:
    joined = '{ at: "10:00", list_subscribed: { profile: p1, list_id: news } }'
    expect = "{ entered: 1, flow: nurture, profile: p1 }, { sent: hello, flow: nurture }, { sends: 0 }, { entered: 1 }"
    assert failures(WELCOME, joined, more="  with: [nurture]\n", expect=expect) == []
    assert failures(WELCOME, joined, more="", expect="{ refused: no_such_flow }") == []


def test_an_expectation_is_about_the_flow_itself_unless_it_names_another() -> None:
    """Both have a message of this label, and only the checkout's goes."""
    of = {"more": "  with: [checkout]\n"}
    found = failures(CART, SEEN, BEGUN, expect="{ sent: remind, at: '11:30' }", **of)
    assert [one.partition(" | ")[0] for one in found] == ["sent: remind at 11:30"]
    assert failures(CART, SEEN, BEGUN, expect="{ sent: remind, at: '11:30', flow: checkout }", **of) == []
    assert failures(CART, SEEN, BEGUN, expect="{ skipped: 'capped:reminders', flow: cart }", **of) == []
    assert failures(CART, SEEN, BEGUN, expect="{ sends: 2, flow: checkout }", **of) == [
        "sends: 2 in checkout | sends: 1"
    ]


def test_the_story_says_whose_each_decision_was() -> None:
    told = timeline.run(CART, day(CART, SEEN, BEGUN, expect="{ sends: 1 }", more="  with: [checkout]\n")).story
    assert [line.partition(" (")[0] for line in told][:3] == [
        "entered: triggered at 10:00 for p1",
        "entered: triggered at 10:30 for p1 in checkout",
        "sent: remind at 11:30 for p1 in checkout",
    ]


def test_triggers_are_ignored_each_by_their_flow() -> None:
    again = [BEGUN, BEGUN.replace("10:30", "10:40")]
    expect = "{ ignored: 0 }, { ignored: 1, flow: checkout }"
    assert failures(CART, *again, more="  with: [checkout]\n", expect=expect) == []


def test_what_the_other_does_covers_nothing() -> None:
    """Both have a step of this label: of the cart's nothing is sent."""
    one = day(CART, SEEN, BEGUN, expect="{ sends: 0 }", more="  with: [checkout]\n")
    times = {f"{way.step} {way.name}": found for way, found in coverage.measure(CART, [one]).times.items()}
    assert times["remind sent"] == 0
    assert times["remind skipped capped:reminders"] == 1


@pytest.mark.parametrize(
    ("with_", "expectation", "expected"),
    [
        ("[chekout]", "{ sends: 0 }", ["2:10 bad_choice checkout"]),
        ("[cart]", "{ sends: 0 }", ["2:10 bad_choice"]),
        ("[checkout, checkout]", "{ sends: 0 }", ["2:20 bad_choice"]),
        ("checkout", "{ sends: 0 }", ["2:9 wrong_shape"]),
        ("[]", "{ sends: 0 }", ["2:9 empty"]),
        ("[checkout]", "{ sends: 0, flow: chekout }", ["5:30 bad_choice checkout"]),
        ("[checkout]", "{ sent: remind, flow: welcome }", ["5:34 bad_choice"]),
        ("[checkout]", "{ duplicates: 0, flow: checkout }", ["5:29 unknown_key"]),
    ],
)
def test_mistakes(with_: str, expectation: str, expected: list[str]) -> None:
    with pytest.raises(FlowFileError) as raised:
        day(CART, SEEN, expect=expectation, more=f"  with: {with_}\n")
    found = raised.value.findings
    assert [
        f"{one.line}:{one.column} {one.code} {one.suggestion if one.instead else ''}".rstrip() for one in found
    ] == expected


def test_flows_are_found_beside_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the name that stands in them, also when only one file is asked for."""
    for name, file, event in (("cart", "cart", "cart_updated"), ("checkout", "other", "checkout_started")):
        head = f"flow: {name}\nentry: {{ trigger: {{ event: {event} }}, reentry: always }}\n{EXIT}"
        (tmp_path / f"{file}.yaml").write_text(f"{head}steps: [{{ wait: {{ for: 1h }} }}, {remind()}]\n")
    later = BEGUN.replace("10:30", "09:00")
    (tmp_path / "cart.test.yaml").write_text(
        f"- name: a day\n  with: [checkout]\n  timeline: [{later}, {SEEN}]\n"
        "  expect: [{ sends: 1, flow: checkout }, { skipped: 'capped:reminders', at: '11:00' }]\n"
    )
    with pytest.raises(SystemExit) as ended:
        cli.main(["flows", "test", str(tmp_path / "cart.yaml"), "--coverage"])
    assert not ended.value.code, capsys.readouterr().out
