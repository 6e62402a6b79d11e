"""What flow files compile to."""

from __future__ import annotations

import pytest

from schemas.conditions import All, AnyOf, Compare, Condition, EventMatch, Not
from schemas.flow import ExitRule, Flow, Reentry
from schemas.span import Span
from schemas.steps import Gate, If, Route, Send, Settle, Step, Stop, Value, Wait
from streams.flowfile import durations, load

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

ABANDONED_CHECKOUT = """
flow: abandoned_checkout
status: live
entry:
  trigger: { event: checkout_started, source: [magento1, bigcommerce] }
  where:   { total: { gte: { money: "20.00", currency: USD } } }
  key: trigger.checkout_id
  retrigger: replace_context
  reentry: { min_gap: 7d, from: start, scope: profile }
exit:
  - when: { event: order_placed, match: { checkout_id: trigger.checkout_id } }
    reason: bought_this_cart
  - when: { event: order_placed }
    reason: bought_something
steps:
  - wait: { for: 15m }
  - settle: { sources: [magento1.orders], max_hold: 2h, on_timeout: skip }
  - route:
      by: trigger.channel_id
      cases: { 2: store_two, 3: store_three }
      otherwise: { stop: no_branch_matched }
  - label: store_two
    send: { template: cart_store_two, channel: email, class: marketing }
  - stop: done
  - label: store_three
    send: { template: cart_store_three, channel: email, class: marketing }
"""

HEAD = "flow: f\nentry: { trigger: { event: checkout_started }, reentry: always }\n"


def steps(text: str) -> tuple[Step, ...]:
    return load(f"{HEAD}steps:\n{text}", name="f.yaml").steps


def where(text: str) -> Condition | None:
    entry = f"entry: {{ trigger: {{ event: product_viewed }}, reentry: always, where: {text} }}"
    return load(f"flow: f\n{entry}\nsteps: [{{ stop: done }}]", name="f.yaml").trigger.where


def test_the_worked_example() -> None:
    flow = load(ABANDONED_CHECKOUT, name="abandoned_checkout.yaml")
    assert flow == Flow(
        name="abandoned_checkout",
        version=flow.version,
        trigger=EventMatch(
            event="checkout_started",
            sources=("magento1", "bigcommerce"),
            where=Compare(word="total", kind="money", operator="gte", operand=["20.00", "USD"]),
        ),
        key="checkout_id",
        retrigger="replace_context",
        reentry=Reentry(policy="min_gap", min_gap_ms=7 * DAY, counted_from="start", scope="profile"),
        max_trigger_age_ms=DAY,
        exits=(
            ExitRule(
                when=EventMatch(event="order_placed"),
                match=(("checkout_id", "checkout_id"),),
                reason="bought_this_cart",
            ),
            ExitRule(when=EventMatch(event="order_placed"), reason="bought_something"),
        ),
        exit_check="continuous",
        skew_ms=5 * MINUTE,
        steps=(
            Wait(label="wait_1", span=Span(ms=15 * MINUTE), next=1),
            Settle(
                label="settle_1",
                gates=(Gate(source="magento1.orders"),),
                max_hold_ms=2 * HOUR,
                on_timeout="skip",
                next=2,
            ),
            Route(label="route_1", by=Value("trigger", "channel_id"), cases={"2": 4, "3": 6}, otherwise=3),
            Stop(label="stop_1", reason="no_branch_matched"),
            Send(label="store_two", template="cart_store_two", channel="email", message_class="marketing", next=5),
            Stop(label="stop_2", reason="done"),
            Send(label="store_three", template="cart_store_three", channel="email", message_class="marketing", next=7),
            Stop(label="stop:end", reason="done"),
        ),
    )
    assert flow.addressed


def test_the_least_a_flow_can_say() -> None:
    flow = load("flow: f\nentry: { trigger: { event: site_active } }\nsteps: [{ stop: seen }]", name="f.yaml")
    assert (flow.status, flow.retrigger, flow.reentry, flow.exit_check) == ("live", "ignore", Reentry(), "continuous")
    assert (flow.max_trigger_age_ms, flow.skew_ms) == (DAY, 5 * MINUTE)
    assert (flow.key, flow.exits, flow.trigger.where, flow.trigger.sources) == (None, (), None, ())
    assert not flow.addressed


def test_the_version_follows_the_meaning_and_not_the_writing() -> None:
    plain = load(ABANDONED_CHECKOUT, name="a.yaml").version
    assert len(plain) == 32
    reformatted = "# another hand\n" + ABANDONED_CHECKOUT.replace("15m", " 900s").replace("status: live\n", "")
    assert load(reformatted.encode(), name="b.yaml").version == plain
    assert load(ABANDONED_CHECKOUT.replace("15m", "16m"), name="a.yaml").version != plain
    assert load(ABANDONED_CHECKOUT.replace("live", "draft"), name="a.yaml").version == plain, "a status is never pinned"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("0s", 0),
        ("250ms", 250),
        ("90s", 90_000),
        ("15m", 15 * MINUTE),
        ("4h", 4 * HOUR),
        ("1d", DAY),
        ("2w", 14 * DAY),
        ("1h30m", 90 * MINUTE),
        ("1w2d3h4m5s6ms", 9 * DAY + 3 * HOUR + 4 * MINUTE + 5_006),
        *(
            (text, None)
            for text in ("", "1", "m", "1.5h", "-1h", "1 h", "30m1h", "1H", "1mo", "1h1h", "٣h", "9" * 13 + "s")
        ),
    ],
)
def test_durations(text: str, expected: int | None) -> None:
    assert durations.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15 minutes", "15m"),
        ("4H", "4h"),
        ("2 Weeks", "2w"),
        ("10 milliseconds", "10ms"),
        ("soon", None),
        ("1.5h", None),
    ],
)
def test_durations_that_were_meant(text: str, expected: str | None) -> None:
    assert durations.suggest(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("always", Reentry()),
        ("never", Reentry(policy="never")),
        ("{ never: true, scope: key }", Reentry(policy="never", scope="key")),
        ("{ min_gap: 1d, from: end }", Reentry(policy="min_gap", min_gap_ms=DAY, counted_from="end")),
        (
            "{ min_gap: 16h, from: start, scope: key }",
            Reentry(policy="min_gap", min_gap_ms=16 * HOUR, counted_from="start", scope="key"),
        ),
    ],
)
def test_reentry(text: str, expected: Reentry) -> None:
    entry = f"entry: {{ trigger: {{ event: checkout_started }}, key: trigger.checkout_id, reentry: {text} }}"
    assert load(f"flow: f\n{entry}\nsteps: [{{ stop: done }}]", name="f.yaml").reentry == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{ brand: { eq: "Acme" } }', Compare(word="brand", kind="text", operator="eq", operand="Acme")),
        ("{ brand: { eq: yes } }", Compare(word="brand", kind="text", operator="eq", operand="yes")),
        ("{ brand: { in: [a, b] } }", Compare(word="brand", kind="text", operator="in", operand=["a", "b"])),
        ("{ brand: { is_set: true } }", Compare(word="brand", kind="text", operator="is_set")),
        ("{ brand: { is_set: false } }", Compare(word="brand", kind="text", operator="is_not_set")),
        ("{ quantity: { gt: 2 } }", Compare(word="quantity", kind="number", operator="gt", operand=2)),
        ("{ quantity: { lte: 2.50 } }", Compare(word="quantity", kind="number", operator="lte", operand="2.50")),
        ("{ quantity: { in: [1, 2] } }", Compare(word="quantity", kind="number", operator="in", operand=[1, 2])),
        (
            "{ categories: { contains: mugs } }",
            Compare(word="categories", kind="list", operator="contains", operand="mugs"),
        ),
        (
            "{ price: { lt: { money: '5', currency: EUR } } }",
            Compare(word="price", kind="money", operator="lt", operand=["5", "EUR"]),
        ),
    ],
)
def test_comparisons(text: str, expected: Compare) -> None:
    assert where(text) == expected


def test_conditions_join() -> None:
    low = Compare(word="quantity", kind="number", operator="gt", operand=1)
    high = Compare(word="quantity", kind="number", operator="lt", operand=5)
    brand = Compare(word="brand", kind="text", operator="is_set")
    assert where("{ quantity: { gt: 1, lt: 5 }, brand: { is_set: true } }") == All(parts=(low, high, brand))
    assert where("{ any: [{ quantity: { gt: 1 } }, { not: { brand: { is_set: true } } }] }") == AnyOf(
        parts=(low, Not(part=brand))
    )
    assert where("{ all: [{ quantity: { gt: 1 } }] }") == All(parts=(low,))


def test_exits_take_their_reason_from_the_event_and_judge_its_words() -> None:
    exit_ = '{ when: { event: order_placed, source: shop, where: { coupon: { eq: "X" } } } }'
    [rule] = load(f"{HEAD}exit: [{exit_}]\nsteps: [{{ stop: done }}]", name="f.yaml").exits
    coupon = Compare(word="coupon", kind="text", operator="eq", operand="X")
    assert rule == ExitRule(
        when=EventMatch(event="order_placed", sources=("shop",), where=coupon), reason="order_placed"
    )


def test_custom_events_have_the_common_words() -> None:
    entry = "entry: { trigger: { event: custom_quiz_done }, key: trigger.channel_id, reentry: always }"
    flow = load(f"flow: f\n{entry}\nsteps: [{{ stop: done }}]", name="f.yaml")
    assert (flow.trigger.event, flow.key) == ("custom_quiz_done", "channel_id")


def test_a_gate_inside_a_send_stands_before_it_and_is_reached_by_its_label() -> None:
    found = steps("""
  - if: { condition: { trigger.total: { is_set: true } }, then: remind }
  - stop: no_total
  - label: remind
    send: { template: t, channel: log, settle: { sources: [{ source: a, shop: s1 }, b] }, priority: 1 }
""")
    gates = (Gate(source="a", shop="s1"), Gate(source="b"))
    assert found[0] == If(
        label="if_1", condition=Compare(word="total", kind="money", operator="is_set"), then=2, otherwise=1
    )
    assert found[2:] == (
        Settle(label="remind:settle", gates=gates, max_hold_ms=2 * HOUR, on_timeout="skip", next=3),
        Send(
            label="remind", template="t", channel="log", message_class="marketing", priority=1, own_gate=True, next=4
        ),
        Stop(label="stop:end", reason="done"),
    )  # fmt: skip


def test_a_way_may_be_a_list_and_goes_on_below() -> None:
    found = steps("""
  - if:
      condition: { trigger.total: { gte: { money: "100.00", currency: USD } } }
      then:
        - send: { template: big, channel: log }
      otherwise:
        - if: { condition: { trigger.store: { eq: b } }, then: { stop: not_here } }
        - send: { template: small, channel: log }
  - wait: { for: 1d }
  - send: { template: last, channel: log }
""")
    shown = [(step.label, getattr(step, "next", None)) for step in found]
    assert shown == [
        ("if_1", None),
        ("send_1", 5),
        ("if_2", None),
        ("stop_1", None),
        ("send_2", 5),
        ("wait_1", 6),
        ("send_3", 7),
        ("stop:end", None),
    ]
    outer, inner = found[0], found[2]
    assert isinstance(outer, If)
    assert isinstance(inner, If)
    assert (outer.then, outer.otherwise, inner.then, inner.otherwise) == (1, 2, 3, 4)


def test_a_list_at_the_very_end_runs_into_the_implicit_stop() -> None:
    found = steps("""
  - route:
      by: trigger.store
      cases: { a: [{ send: { template: a, channel: log } }], b: { stop: closed } }
      otherwise: { stop: nowhere }
""")
    assert found == (
        Route(label="route_1", by=Value("trigger", "store"), cases={"a": 1, "b": 2}, otherwise=3),
        Send(label="send_1", template="a", channel="log", message_class="marketing", next=4),
        Stop(label="stop_1", reason="closed"),
        Stop(label="stop_2", reason="nowhere"),
        Stop(label="stop:end", reason="done"),
    )


def test_labels_are_numbered_by_kind_whether_named_or_not() -> None:
    found = steps("""
  - { label: first, send: { template: t, channel: log } }
  - { wait: { for: 1h } }
  - { send: { template: t, channel: log } }
  - { stop: done }
""")
    assert [step.label for step in found] == ["first", "wait_1", "send_2", "stop_1"]


def test_steps_may_be_shared_without_a_circle() -> None:
    found = steps("""
  - route: { by: trigger.store, cases: { a: late, b: early }, otherwise: { stop: nowhere } }
  - { label: late, wait: { for: 1h } }
  - { label: early, send: { template: t, channel: log } }
""")
    route = found[0]
    assert isinstance(route, Route)
    assert route.cases == {"a": 2, "b": 3}


@pytest.mark.parametrize(
    "way_out",
    [
        "{ if: { condition: { trigger.store: { eq: a } }, then: again } }",
        "{ route: { by: trigger.store, cases: { a: again, b: { stop: b } }, otherwise: again } }",
        "{ wait_event: { event: order_placed, timeout: 1d, then: again } }",
        "{ wait: { until_date: fact.birthday, when_past: stop } }, "
        "{ route: { by: trigger.store, cases: { a: again }, otherwise: again } }",
    ],
)
def test_a_circle_with_a_way_out_of_it_is_allowed(way_out: str) -> None:
    assert steps(f"  [{{ label: again, wait: {{ for: 1d }} }}, {way_out}]")
