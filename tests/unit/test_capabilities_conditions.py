"""Capabilities that rest on conditions, each under its id: whom a flow is for, and what makes its message pointless."""

from __future__ import annotations

import pytest

from schemas.event import Event
from streams.flowfile import load, load_timelines
from streams.rehearsal import Rehearsal
from streams.timeline import run

SEND = "send: { template: t, channel: log, class: marketing }"


def plays(flow_text: str, *timelines: str) -> None:
    """Every timeline comes out as it says."""
    flow = load(flow_text, name="f.yaml")
    for text in timelines:
        for timeline in load_timelines(text, name="f.test.yaml", flow=flow):
            result = run(flow, timeline)
            assert result.failures == (), result.story


def rehearsed(text: str, *flow_texts: str) -> Rehearsal:
    """Several flows on one timeline, whose expectations are not read."""
    flows = [load(flow_text, name="f.yaml") for flow_text in flow_texts]
    (timeline,) = load_timelines(text, name="f.test.yaml", flow=flows[0])
    rehearsal = Rehearsal(flows)
    for happening in timeline.happenings:
        assert isinstance(happening.what, Event)
        rehearsal.event(happening.what, at=happening.at)
    rehearsal.finish()
    return rehearsal


def story(rehearsal: Rehearsal, flow: str) -> list[str]:
    return [f"{one.outcome} {one.reason}" for one in rehearsal.decisions if one.flow == flow]


def test_S0_01_history_and_live_data_count_together_and_only_what_is_live_enrolls() -> None:  # noqa: N802
    """Three orders of history and a live one are four. Semantics 2.3: history changes state, and never enrolls."""
    plays(
        f"""
flow: fourth_order
entry: {{ trigger: {{ event: order_placed }}, reentry: always }}
steps:
  - if:
      condition: {{ event_count: {{ event: order_placed, eq: 4 }} }}
      then: four
      otherwise: {{ stop: not_four }}
  - {{ label: four, {SEND} }}
""",
        """
- name: three orders of history, then one that is live, then a copy of it
  timeline:
    - { at: "2025-11-01T10:00:00Z", arrives: "10:00", backfill: true, order_placed: { profile: p1, order_id: O1 } }
    - { at: "2025-12-01T10:00:00Z", arrives: "10:00", backfill: true, order_placed: { profile: p1, order_id: O2 } }
    - { at: "2024-12-01T10:00:00Z", arrives: "10:00", backfill: true, order_placed: { profile: p1, order_id: O3 } }
    - { at: "10:01", dedupe_key: O4, order_placed: { profile: p1, order_id: O4 } }
    - { at: "10:02", dedupe_key: O4, order_placed: { profile: p1, order_id: O4 } }
  expect:
    - { entered: 1 }
    - { sends: 1 }
    - { duplicates: 1 }
""",
    )


BROWSE = f"""
flow: browse_abandonment
entry: {{ trigger: {{ event: product_viewed }}, retrigger: RETRIGGER, reentry: always }}
exit:
  - when: {{ event: checkout_started }}
  - when: {{ event: order_placed }}
steps:
  - wait: {{ for: 2h }}
  - {SEND}
"""
TWO_VIEWS = """
- name: two products
  timeline:
    - { at: "10:00", product_viewed: { profile: p1, sku: A } }
    - { at: "10:20", product_viewed: { profile: p1, sku: B } }
  expect: [{ sends: 1 }]
"""


ONE_VIEW = """
- name: one product
  timeline:
    - { at: "10:00", product_viewed: { profile: p1, sku: A } }
MORE  expect: EXPECTED
"""


@pytest.mark.parametrize(
    ("retrigger", "sku", "at"), [("", "A", "12:00"), ("ignore", "A", "12:00"), ("replace_context", "B", "12:20")]
)
def test_S0_06_a_viewed_product_that_leads_nowhere_is_named_once(  # noqa: N802
    retrigger: str, sku: str, at: str
) -> None:
    """`ignore` is the default."""
    flow = BROWSE.replace("RETRIGGER", retrigger) if retrigger else BROWSE.replace("retrigger: RETRIGGER, ", "")
    plays(flow, TWO_VIEWS.replace("{ sends: 1 }", f'{{ sends: 1 }}, {{ sent: send_1, at: "{at}" }}'))
    assert [one.variables["trigger"]["sku"] for one in rehearsed(TWO_VIEWS, flow).commands] == [sku]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", '[{ sends: 1 }, { sent: send_1, at: "12:00" }]'),
        ("checkout_started", "[{ sends: 0 }, { ended: checkout_started }]"),
        ("order_placed", "[{ sends: 0 }, { ended: order_placed }]"),
    ],
)
def test_S0_06_two_hours_without_a_checkout_or_an_order(more: str, expected: str) -> None:  # noqa: N802
    line = f'    - {{ at: "11:59", {more}: {{ profile: p1 }} }}\n' if more else ""
    flow, day = BROWSE.replace("RETRIGGER", "ignore"), ONE_VIEW.replace("MORE", line).replace("EXPECTED", expected)
    plays(flow, day)
    assert {one.variables["trigger"]["sku"] for one in rehearsed(day, flow).commands} <= {"A"}


CROSS_SELL = f"""
flow: cross_sell
entry:
  trigger: {{ event: site_active }}
  filter:
    all:
      - event_count:
          event: order_placed
          where: {{ items: {{ any: {{ categories: {{ contains: console }} }} }} }}
          gte: 1
      - event_count:
          event: order_placed
          where: {{ items: {{ any: {{ categories: {{ contains: game }} }} }} }}
          eq: 0
  reentry: always
steps: [{{ {SEND} }}]
"""


def test_S0_08_bought_this_and_nothing_that_goes_with_it() -> None:  # noqa: N802
    plays(
        CROSS_SELL,
        """
- name: a console, a console and a game, and nothing
  timeline:
    - { at: "10:00", order_placed: { profile: p1, items: [{ sku: C, categories: [console] }] } }
    - { at: "10:00", order_placed: { profile: p2, items: [{ categories: [console] }, { categories: [game] }] } }
    - { at: "11:00", site_active: { profile: p1 } }
    - { at: "11:00", site_active: { profile: p2 } }
    - { at: "11:00", site_active: { profile: p3 } }
  expect:
    - { sends: 1, profile: p1 }
    - { refused: filter_false, profile: p2 }
    - { refused: filter_false, profile: p3 }
""",
    )


def test_S0_09_an_order_that_is_shipped_enters_once_and_each_of_its_lines_on_its_own() -> None:  # noqa: N802
    shipped = f"""
flow: review
entry: {{ trigger: {{ event: order_fulfilled }}, key: trigger.order_id, reentry: always }}
steps: [{{ {SEND} }}]
"""
    lines = f"""
flow: review_line
entry: {{ trigger: {{ event: order_item_ordered }}, key: trigger.line_id, reentry: always }}
steps: [{{ wait: {{ for: 1h }} }}, {{ {SEND} }}]
"""
    rehearsal = rehearsed(
        """
- name: one order, two lines of the same product
  timeline:
    - { at: "10:00", order_item_ordered: { profile: p1, order_id: O1, line_id: "O1:1", sku: A } }
    - { at: "10:00", order_item_ordered: { profile: p1, order_id: O1, line_id: "O1:2", sku: A } }
    - { at: "12:00", order_fulfilled: { profile: p1, order_id: O1, items: [{ sku: A }, { sku: B }] } }
  expect: [{ sends: 3 }]
""",
        lines,
        shipped,
    )
    assert [one.flow for one in rehearsal.commands] == ["review_line", "review_line", "review"]


@pytest.mark.parametrize(("key", "entered"), [("[trigger.order_id, trigger.line_id]", 4), ("trigger.line_id", 2)])
def test_S0_09_where_lines_are_numbered_in_each_order_the_key_is_order_and_line(  # noqa: N802
    key: str, entered: int
) -> None:
    """Semantics 3.2. By the number of the line alone, the second order would be taken for the first one."""
    line = 'order_item_ordered: { profile: p1, order_id: ORDER, line_id: "LINE", sku: A }'
    lines = [line.replace("ORDER", order).replace("LINE", number) for order in ("O1", "O2") for number in "12"]
    again = lines[0].replace("sku: A", "sku: B")
    days = "".join(f'    - {{ at: "10:0{minute}", {one} }}\n' for minute, one in enumerate([*lines, again]))
    plays(
        f"""
flow: review_line
entry: {{ trigger: {{ event: order_item_ordered }}, key: {key}, reentry: always }}
steps: [{{ wait: {{ for: 1h }} }}, {{ {SEND} }}]
""",
        f"- name: two orders of two lines, and one line again\n  timeline:\n{days}"
        f"  expect: [{{ entered: {entered} }}, {{ sends: {entered} }}, {{ ignored: {5 - entered} }}]\n",
    )


def test_S0_09_without_one_of_the_words_of_the_key_nobody_enters() -> None:  # noqa: N802
    plays(
        f"""
flow: review_line
entry: {{ trigger: {{ event: order_item_ordered }}, key: [trigger.order_id, trigger.line_id], reentry: always }}
steps: [{{ {SEND} }}]
""",
        """
- name: no line
  timeline: [{ at: "10:00", order_item_ordered: { profile: p1, order_id: O1 } }]
  expect: [{ refused: key_missing }, { sends: 0 }]
""",
    )


@pytest.mark.parametrize(
    ("event", "where", "entered"),
    [
        ("order_item_ordered: { profile: p1, categories: [shoes] }", "{ categories: { in: [shoes] } }", 1),
        ("order_item_ordered: { profile: p1, categories: [hats] }", "{ categories: { in: [shoes] } }", 0),
        ("ORDER", "{ items: { any: { categories: { contains: shoes } } } }", 1),
        ("ORDER", "{ items: { all: { categories: { contains: shoes } } } }", 0),
        ("ORDER", "{ items: { all: { categories: { in: [shoes, hats] }, unit_price: { gte: 10 } } } }", 1),
        ("ORDER", "{ items: { any: { categories: { contains: hats }, unit_price: { lt: 20 } } } }", 0),
        ("ORDER", "{ items: { any: { quantity: { gt: 1 } }, all: { sku: { is_set: true } } } }", 1),
    ],
)
def test_S0_10_by_category_of_a_line_of_any_item_or_of_all(event: str, where: str, entered: int) -> None:  # noqa: N802
    """What does not fit is counted as `where_false`, and leaves no decision (semantics 3.1)."""
    order = """order_placed: { profile: p1, items: [
      { sku: S, categories: [shoes], unit_price: "19.90", quantity: "2" },
      { sku: H, categories: [hats], unit_price: "25.00", quantity: 1 }] }"""
    happens = event.replace("ORDER", order)
    type_ = happens.partition(":")[0]
    rehearsal = rehearsed(
        f"""
- name: something is bought
  timeline: [{{ at: "10:00", {happens} }}]
  expect: [{{ entered: {entered} }}]
""",
        f"""
flow: category
entry: {{ trigger: {{ event: {type_} }}, where: {where}, reentry: always }}
steps: [{{ {SEND} }}]
""",
    )
    assert len(rehearsal.commands) == entered
    assert rehearsal.tallies["where_false", type_] == 1 - entered
    assert bool(rehearsal.decisions) == bool(entered)


def abandoned(name: str, source: str, *, others: str) -> str:
    return f"""
flow: {name}
entry:
  trigger: {{ event: checkout_started, source: {source} }}
  filter: {{ event_count: {{ event: order_placed, source: [{others}], since: start, eq: 0 }} }}
  reentry: always
exit: [{{ when: {{ event: order_placed, source: {source} }} }}]
steps:
  - wait: {{ for: 1h }}
  - {SEND}
"""


MAGENTO = abandoned("magento", "magento1", others="buy_with_prime")
PRIME = abandoned("prime", "buy_with_prime", others="magento1")


def test_S0_14_an_order_of_the_other_shop_suppresses_the_reminder_of_this_one() -> None:  # noqa: N802
    """Semantics 4.4: the filter is judged again right before the message, on every record up to then."""
    rehearsal = rehearsed(
        """
- name: checkout at the shop, order with Prime
  timeline:
    - { at: "10:00", source: magento1, checkout_started: { profile: p1 } }
    - { at: "10:20", source: buy_with_prime, order_placed: { profile: p1 } }
  expect: [{ sends: 0 }]
""",
        MAGENTO,
        PRIME,
    )
    assert story(rehearsal, "magento") == ["entered triggered", "skipped filter_false", "ended done"]
    assert story(rehearsal, "prime") == []
    (skipped,) = (one for one in rehearsal.decisions if one.outcome == "skipped")
    assert skipped.values == {"filter": "false", "event_count order_placed": 1}


def test_S0_14_a_checkout_with_prime_enters_only_the_flow_of_prime() -> None:  # noqa: N802
    rehearsal = rehearsed(
        """
- name: checkout with Prime
  timeline: [{ at: "10:00", source: buy_with_prime, checkout_started: { profile: p1 } }]
  expect: [{ sends: 1 }]
""",
        MAGENTO,
        PRIME,
    )
    assert [one.flow for one in rehearsal.commands] == ["prime"]
    assert story(rehearsal, "magento") == []


def test_S0_15_both_filters_must_hold() -> None:  # noqa: N802
    plays(
        f"""
flow: browse
entry:
  trigger: {{ event: product_viewed }}
  filter:
    all:
      - event_count: {{ event: checkout_started, source: buy_with_prime, since: start, eq: 0 }}
      - event_count: {{ event: order_placed, source: buy_with_prime, since: start, eq: 0 }}
  reentry: always
steps:
  - wait: {{ for: 1h }}
  - {SEND}
""",
        """
- name: a checkout with Prime
  timeline:
    - { at: "10:00", product_viewed: { profile: p1 } }
    - { at: "10:10", source: buy_with_prime, checkout_started: { profile: p1 } }
  expect: [{ skipped: filter_false, at: "11:00" }, { sends: 0 }]
- name: an order with Prime
  timeline:
    - { at: "10:00", product_viewed: { profile: p1 } }
    - { at: "10:10", source: buy_with_prime, order_placed: { profile: p1 } }
  expect: [{ sends: 0 }]
- name: nothing, and a checkout with Prime of before
  timeline:
    - { at: "09:00", source: buy_with_prime, checkout_started: { profile: p1 } }
    - { at: "10:00", product_viewed: { profile: p1 } }
  expect: [{ sends: 1 }]
""",
    )
