"""Profile filters and exit rules on the person, at each of their moments (semantics 4.4 and 4.5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from schemas.event import Event
from schemas.flow import Flow
from streams.binding import UnknownPlugin
from streams.flowfile import load, load_timelines
from streams.partition import Partition
from streams.plugins import Plugin, registry
from streams.program import build
from streams.timeline import run
from tests.unit.stage import TOPIC, Stage, checkout, event, order, work

SEND = "send: { template: t, channel: log, class: marketing }"
NONE = "{ event_count: { event: order_placed, eq: 0 } }"


def flow(*, name: str = "f", entry: str = "", exits: str = "", steps: str = "", more: str = "") -> Flow:
    steps = steps or f"[{{ wait: {{ for: 1h }} }}, {{ label: one, {SEND} }}]"
    text = f"""
flow: {name}
{more}
entry:
  trigger: {{ event: checkout_started }}
  reentry: always
  {entry}
{exits and f"exit: {exits}"}
steps: {steps}
"""
    return load(text, name="f.yaml")


def said(time: str, **facts: Any) -> Event:
    return event("profile_updated", time, **facts)


# --- at enrollment -----------------------------------------------------------------------------------


def test_who_is_not_meant_is_refused_with_what_was_compared() -> None:
    """Semantics 3.1 (c): the refusal names what was compared, and its repetition is only counted."""
    stage = Stage(flow(entry=f"filter: {NONE}")).event(order("09:00")).event(checkout("10:00")).event(checkout("10:01"))
    assert stage.story == ["10:00 refused filter_false"]
    assert stage.decisions[0].values == {"filter": "false", "event_count order_placed": 1}
    assert stage.profile().refusals["f"].repeats == 1


def test_who_is_let_in_and_gets_a_message_is_told_with_what_was_compared() -> None:
    """Semantics 4.4, 9.3: not only a no names its values."""
    stage = Stage(flow(entry=f"filter: {NONE}")).event(checkout("10:00")).finish()
    told = {one.outcome: one.values for one in stage.decisions if one.outcome in ("entered", "sent")}
    compared = {"filter": "true", "event_count order_placed": 0}
    assert told == {"entered": {**compared, "anchor_at": "2026-11-20T10:00:00.000Z"}, "sent": compared}


def test_unknown_does_not_admit() -> None:
    stage = Stage(flow(entry="filter: { not: { fact: { country: { eq: CH } } } }")).event(checkout("10:00"))
    assert stage.decisions[0].values == {"filter": "unknown", "fact country": None}


def test_the_filter_is_judged_on_what_is_known_after_the_event() -> None:
    """Semantics 3.1 (c): on the state after the event was applied: a first checkout is one checkout."""
    first = "filter: { event_count: { event: checkout_started, eq: 1 } }"
    stage = Stage(flow(entry=first, steps="[{ stop: done }]")).event(checkout("10:00")).event(checkout("11:00"))
    assert stage.story == ["10:00 entered triggered", "10:00 ended done", "11:00 refused filter_false"]


def test_the_filter_may_ask_for_words_of_the_trigger() -> None:
    admits = 'filter: { trigger.total: { gte: { money: "50", currency: USD } }, fact: { country: { eq: FR } } }'
    stage = Stage(flow(entry=admits, steps="[{ stop: done }]")).event(said("09:00", country="FR"))
    stage.event(checkout("10:00", total="49")).event(checkout("10:01", total="50"))
    assert stage.story[:2] == ["10:00 refused filter_false", "10:01 entered triggered"]


def test_the_filter_is_asked_before_whether_somebody_is_enrolled_already() -> None:
    """Semantics 3.1: (c) before (d)."""
    stage = Stage(flow(entry=f"filter: {NONE}")).event(checkout("10:00")).event(order("10:10")).event(checkout("10:20"))
    assert stage.story == ["10:00 entered triggered", "10:20 refused filter_false"]
    assert stage.profile().enrollments[0].ignored == 0


def test_an_order_of_before_that_arrived_before_counts_since_start_only_if_it_is_later() -> None:
    since = "filter: { event_count: { event: order_placed, since: start, eq: 0 } }"
    stage = Stage(flow(entry=since, steps="[{ stop: done }]"))
    stage.event(order("09:59")).event(checkout("10:00"))
    assert stage.story[:1] == ["10:00 entered triggered"]
    stage = Stage(flow(entry=since)).event(order("10:05"), "10:06").event(checkout("10:00"), "10:10")
    assert stage.story == ["10:10 refused filter_false"]


# --- before a message --------------------------------------------------------------------------------


def test_the_filter_is_judged_again_before_every_message() -> None:
    """Semantics 4.4: on everything up to the record that released it; the flow goes on."""
    steps = ", ".join(f"{{ wait: {{ for: 1h }} }}, {{ label: {name}, {SEND} }}" for name in ("one", "two", "three"))
    stage = Stage(flow(entry="filter: { fact: { country: { eq: FR } } }", steps=f"[{steps}]"))
    stage.event(said("09:00", country="FR")).event(checkout("10:00"))
    stage.event(said("11:30", country="DE")).event(said("12:30", country="FR")).finish()
    assert stage.sent == ["11:00 one", "13:00 three"]
    assert "12:00 skipped filter_false" in stage.story


def test_an_order_that_arrives_late_is_known_before_the_message() -> None:
    since = "filter: { event_count: { event: order_placed, since: start, eq: 0 } }"
    stage = Stage(flow(entry=since)).event(checkout("10:00")).event(order("10:05"), "10:59").finish()
    assert stage.sent == []


# --- exit rules on the person --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "happens", "values"),
    [
        (
            "event_count: { event: site_active, gte: 2 }",
            [event("site_active", "10:20")],
            {"event_count site_active": 2},
        ),
        (
            "event_count: { event: site_active, since: start, gte: 1 }",
            [event("site_active", "10:20")],
            {"event_count site_active": 1},
        ),
        ("fact: { country: { eq: CH } }", [said("10:20", country="CH")], {"fact country": "CH"}),
        ("fact: { locale: { eq: fr } }", [event("product_viewed", "10:20")], {"fact locale": "fr"}),
        ("in_flow: g", [event("product_viewed", "10:20")], {"in_flow g": True}),
        (
            "all: [{ fact: { city: { eq: P } } }, { not: { fact: { country: { eq: CH } } } }]",
            [said("10:10", city="P"), said("10:20", country="F")],
            {"fact city": "P", "fact country": "F"},
        ),
    ],
)
def test_a_record_that_makes_a_rule_true_ends_the_enrollment_at_once(
    condition: str, happens: list[Event], values: dict[str, object]
) -> None:
    """Semantics 4.5: and the timers are gone with it, and the reason and the values recorded."""
    other = load(
        "flow: g\nentry: { trigger: { event: product_viewed }, reentry: always }\nsteps: [{ wait: { for: 9h } }]",
        name="g.yaml",
    )
    stage = Stage(flow(exits=f"[{{ when: {{ person: {{ {condition} }} }}, reason: over }}]"), other)
    stage.event(event("site_active", "09:00")).event(checkout("10:00"))
    for one in happens:
        stage.event(msgspec.structs.replace(one, context=msgspec.Raw(b'{"locale": "fr"}')))
    (ended,) = (one for one in stage.decisions if one.outcome == "ended")
    assert (ended.reason, ended.decided_at[11:16]) == ("over", "10:20")
    assert ended.values.items() >= values.items()
    assert stage.tallies["timer", "f", "canceled"] == 1
    assert [one.flow for one in stage.profile().enrollments] in ([], ["g"])


def test_a_rule_that_is_true_already_ends_the_enrollment_where_it_begins() -> None:
    """Semantics 3.1 (f)."""
    exits = "[{ when: { person: { fact: { country: { eq: CH } } } }, reason: not_sold_there }]"
    stage = Stage(flow(exits=exits)).event(said("09:00", country="CH")).event(checkout("10:00"))
    assert stage.story == ["10:00 entered triggered", "10:00 ended not_sold_there"]
    assert stage.profile().enrollments == []


@pytest.mark.parametrize(("first", "second"), [("person", "event"), ("event", "person")])
def test_of_several_rules_the_first_in_the_file_gives_the_reason(first: str, second: str) -> None:
    """Semantics 4.1, whatever the rules look at."""
    rules = {
        "event": "{ when: { event: order_placed }, reason: event }",
        "person": "{ when: { person: { event_count: { event: order_placed, gte: 1 } } }, reason: person }",
    }
    stage = Stage(flow(exits=f"[{rules[first]}, {rules[second]}]")).event(checkout("10:00")).event(order("10:20"))
    assert stage.story[-1] == f"10:20 ended {first}"


def test_at_send_a_rule_on_the_person_is_judged_right_before_the_message() -> None:
    """Semantics 4.5: what was true in between and is not any more does not matter."""
    exits = "[{ when: { person: { fact: { country: { eq: CH } } } }, reason: not_sold_there }]"
    one = flow(exits=exits, more="exit_check: at_send")
    moved = Stage(one).event(checkout("10:00")).event(said("10:20", country="CH"))
    assert len(moved.profile().enrollments) == 1
    assert moved.finish().story[-1] == "11:00 ended not_sold_there"
    back = Stage(one).event(checkout("10:00")).event(said("10:20", country="CH")).event(said("10:30", country="FR"))
    assert back.finish().sent == ["11:00 one"]


def test_what_changes_by_time_alone_is_seen_before_the_message() -> None:
    exits = '[{ when: { person: { now_between: { local: "10:30-12:00" } } }, reason: lunch }]'
    stage = Stage(flow(exits=exits)).event(checkout("10:00")).finish()
    assert stage.story[-1] == "11:00 ended lunch"
    assert stage.decisions[-1].values["now_between"] == "2026-11-20 11:00 UTC (flow)", "semantics 5.5: and who says so"


def test_ends_that_follow_from_ends() -> None:
    """Semantics 4.5: an end makes a rule of another flow true, and so on, by the same record."""
    chained = [
        flow(name=name, exits=f"[{{ when: {{ person: {{ not: {{ in_flow: {after} }} }} }}, reason: alone }}]")
        for name, after in (("b", "a"), ("c", "b"))
    ]
    stage = Stage(flow(name="a", exits="[{ when: { event: order_placed }, reason: bought }]"), *chained)
    stage.event(checkout("10:00"))
    assert len(stage.profile().enrollments) == 3
    stage.event(order("10:20"))
    assert [(one.flow, one.reason) for one in stage.decisions[3:]] == [("a", "bought"), ("b", "alone"), ("c", "alone")]


def test_ends_by_waking_are_followed_too() -> None:
    alone = flow(
        name="b",
        exits="[{ when: { person: { not: { in_flow: a } } }, reason: alone }]",
        steps="[{ wait: { for: 9h } }]",
    )
    stage = Stage(flow(name="a"), alone).event(checkout("10:00")).finish()
    assert stage.story[-1] == "11:00 ended alone"


# --- what it costs, and what it does not depend on -------------------------------------------------------


def test_nobody_looks_at_what_no_condition_asks_for() -> None:
    stage = Stage(flow(entry=f"filter: {NONE}", exits="[{ when: { person: { in_flow: g } }, reason: over }]"))
    assert sorted(stage.program.interests) == [
        "checkout_started", "order_placed", "profile_identified", "profile_updated",
    ]  # fmt: skip
    assert stage.program.otherwise is None


def test_the_same_log_gives_the_same_decisions_in_any_batches_and_over_restarts() -> None:
    """Semantics 1.3."""
    exits = "[{ when: { person: { event_count: { event: order_placed, since: start, gte: 2 } } }, reason: two }]"
    program = (flow(entry="filter: { fact: { country: { eq: FR } } }", exits=exits), flow(name="g", exits=exits))
    stage = Stage(*program, flow(name="h", exits=exits, steps=f"[{{ wait: {{ for: 2m }} }}, {{ {SEND} }}]"))
    for minute in range(60):
        one = (said, checkout, order)[minute % 3](f"10:{minute:02}")
        country = ("FR", "DE")[minute // 20 % 2]
        properties = {"country": country} if minute % 3 == 0 else {}
        stage.event(msgspec.structs.replace(one, properties=msgspec.Raw(json.dumps(properties).encode())))
        if minute % 7 == 0:
            stage.restart()
    stage.finish()
    assert len(stage.commands) > 3
    empty: dict[bytes, bytes] = {}
    whole = Partition(
        program=stage.program, topic=TOPIC, number=0, clock="carried", incarnation="i", load=empty.get, record=None
    )
    unit = work(whole, stage.log)
    assert [value for _, value in unit.decisions] == [value for one in stage.outputs for _, value in one.decisions]
    assert dict(unit.states) == stage.store


# --- words of one's own ------------------------------------------------------------------------------------

QUIZ = """
flow: quiz
entry:
  trigger: { event: custom_quiz_done, words: { plan: text, paid: money, answers: number, on: date } }
  where: { plan: { in: [gold, silver] }, paid: { gte: { money: "20", currency: USD } } }
  filter: { event_count: { event: custom_quiz_done, words: { answers: number }, where: { answers: { gt: 3 } }, lt: 3 } }
  key: trigger.plan
  reentry: always
exit:
  - when: { event: custom_quiz_gone, words: { plan: text }, match: { plan: trigger.plan } }
    reason: gone
steps:
  - wait: { for: 1h }
  - if: { condition: { trigger.on: { lt: "2026-06-01" } }, then: early, otherwise: { stop: late } }
  - { label: early, send: { template: t, channel: log, class: marketing } }
"""
QUIZ_DAY = """
- name: a plan of one's own
  timeline:
    - { at: "10:00", custom_quiz_done: { profile: p1, plan: gold, paid: "20.00", answers: 4, on: "2026-05-01" } }
    - { at: "10:00", custom_quiz_done: { profile: p2, plan: gold, paid: "19.99", answers: 4 } }
    - { at: "10:00", custom_quiz_done: { profile: p3, plan: silver, paid: "20.00", answers: 4 } }
    - { at: "10:01", custom_quiz_done: { profile: p4, plan: gold, paid: "20.00", answers: 4 } }
    - { at: "10:02", custom_quiz_done: { profile: p4, plan: silver, paid: "20.00", answers: 5 } }
    - { at: "10:03", custom_quiz_done: { profile: p4, plan: silver, paid: "20.01", answers: 6 } }
    - { at: "10:04", custom_quiz_gone: { profile: p4, plan: silver } }
  expect:
    - { sent: early, profile: p1, at: "11:00" }
    - { ended: late, profile: p3 }
    - { entered: 2, profile: p4 }
    - { refused: filter_false, profile: p4, at: "10:03" }
    - { ended: gone, profile: p4, at: "10:04" }
    - { entered: 4 }
"""


def test_words_that_a_flow_declares_of_an_event_of_ones_own() -> None:
    one = load(QUIZ, name="quiz.yaml")
    (timeline,) = load_timelines(QUIZ_DAY, name="quiz.test.yaml", flow=one)
    result = run(one, timeline)
    assert result.failures == (), result.story


def test_two_flows_may_mean_different_things_by_a_word() -> None:
    """Who means another kind finds it unknown."""
    flows = [
        load(
            f"flow: {name}\nentry: {{ trigger: {{ event: custom_x, words: {{ size: {kind} }} }}, where: {where}, "
            "reentry: always }\nsteps: [{ stop: done }]",
            name="f.yaml",
        )
        for name, kind, where in (
            ("by_text", "text", "{ size: { eq: XL } }"),
            ("by_list", "list", "{ size: { contains: XL } }"),
        )
    ]
    stage = Stage(*flows)
    for minute, size in enumerate(("XL", ["XL"], {"a": 1})):
        one = checkout(f"10:{minute:02}", size=size)
        stage.event(msgspec.structs.replace(one, type="custom.x"))
    assert [(one.flow, one.decided_at[11:16]) for one in stage.decisions if one.outcome == "entered"] == [
        ("by_text", "10:00"), ("by_list", "10:01"),
    ]  # fmt: skip


# --- plug-ins ----------------------------------------------------------------------------------------------


def plugin(answer: Callable[[Mapping[str, Any]], Any], *inputs: str) -> dict[tuple[str, int], Plugin]:
    one = Plugin(kind="predicate", name="worth", version=1, inputs=inputs, answer=answer, fingerprint="")
    return registry([one])


@pytest.mark.parametrize(
    ("coupon", "points", "values"),
    [
        ("A", "7", None),
        ("A", "8", {"filter": "false", "plugin worth 1": False}),
        ("B", "7", {"filter": "unknown", "plugin worth 1": None}),
        ("A", None, {"filter": "unknown", "plugin worth 1": "failed: TypeError"}),
    ],
)
def test_a_plug_in_is_asked_with_what_it_has_declared(
    coupon: str, points: str | None, values: dict[str, object] | None
) -> None:
    """Semantics 10.1: what fails has not answered, which is unknown."""

    def worth(inputs: Mapping[str, Any]) -> bool | None:
        assert set(inputs) == {"trigger.coupon", "fact.city", "now"}
        return int(inputs["fact.city"]) < 8 if inputs["trigger.coupon"] == "A" else None

    plugins = plugin(worth, "trigger.coupon", "fact.city", "now")
    stage = Stage().event(event("profile_updated", "09:00", city=points))
    stage.restart(build([flow(entry="filter: { plugin: { name: worth, version: 1 } }")], plugins=plugins))
    stage.event(checkout("10:00", coupon=coupon))
    assert stage.story == ["10:00 entered triggered" if values is None else "10:00 refused filter_false"]
    assert values is None or stage.decisions[0].values == values


def test_a_fact_that_a_plug_in_asks_for_can_end_an_enrollment() -> None:
    plugins = plugin(lambda inputs: inputs["fact.country"] == "CH", "fact.country")
    exits = "[{ when: { person: { plugin: { name: worth, version: 1 } } }, reason: over }]"
    stage = Stage()
    stage.event(said("09:00")).restart(build([flow(exits=exits)], plugins=plugins))
    moved = msgspec.structs.replace(event("product_viewed", "10:20"), context=msgspec.Raw(b'{"country": "CH"}'))
    assert stage.event(checkout("10:00")).event(moved).story[-1] == "10:20 ended over"


def test_a_plug_in_that_is_not_there_is_refused_when_flows_are_loaded() -> None:
    asking = flow(entry="filter: { all: [{ in_flow: g }, { not: { plugin: { name: worth, version: 2 } } }] }")
    with pytest.raises(UnknownPlugin, match="flow 'f' asks for the predicate 'worth', version 2"):
        build([asking], plugins=plugin(lambda _: True))
