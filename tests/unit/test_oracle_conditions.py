"""Conditions on the person, held against the oracle, which looks at every event anew and shares no code with us."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from schemas.codec import pack_words
from schemas.event import Event
from schemas.flow import Flow
from schemas.profile import Enrollment
from streams.conditions import judge_words
from streams.conditions.closures import closure
from streams.flowfile import load
from streams.predicates import judge
from streams.view import View
from tests.oracle.conditions import Began, Past, Person, judge_person
from tests.unit.stage import MINUTE, Stage, at, event

FLOW = """
flow: f
entry:
  trigger: { event: checkout_started }
  filter: FILTER
  reentry: always
steps: [{ stop: done }]
"""
SHOES = "where: { items: { any: { categories: { in: [shoes] }, unit_price: { gte: 20 } } } }"
LEAVES = (
    "{ event_count: { event: order_placed, gte: 2 } }",
    "{ event_count: { event: order_placed, in_last: 2h, lt: 2 } }",
    "{ event_count: { event: order_placed, source: shop, in_last: 90m, eq: 0 } }",
    "{ event_count: { event: order_placed, since: start, gt: 0, lte: 2 } }",
    "{ event_count: { event: order_placed, match: { coupon: trigger.coupon }, in_last: 1h, ne: 0 } }",
    "{ event_count: { event: order_placed, match: { coupon: trigger.coupon }, gte: 1 } }",
    "{ event_count: { event: checkout_started, since: start, eq: 0 } }",
    f"{{ event_count: {{ event: order_placed, {SHOES}, gte: 1 }} }}",
    "{ event_count: { event: order_placed, where: { total: { lt: { money: '50', currency: USD } } }, gte: 1 } }",
    "{ last_event: { event: order_placed, where: { coupon: { eq: A } } } }",
    "{ last_event: { event: order_placed, where: { items: { all: { quantity: { lt: 3 } } } }, ago: { lte: 2h } } }",
    "{ last_event: { event: checkout_started, source: [shop, till], ago: { gt: 1h } } }",
    "{ fact: { country: { in: [FR, DE] } } }",
    "{ fact: { country: { is_not_set: true } } }",
    "{ fact: { birthday: { lt: '2000-01-01' }, first_name: { starts_with: A } } }",
    "{ fact: { accepts_marketing: { is_false: true } } }",
    "{ fact: { channels: { contains: '2' }, original_channel_id: { eq: '1' } } }",
    "{ trigger.coupon: { eq: A } }",
    "{ in_flow: f }",
    "{ in_flow: { flow: f, ever: true } }",
)


def some_events(dice: random.Random) -> list[Event]:
    """In the order of arrival, which is not that in which they occurred."""
    found = []
    for number in range(dice.randrange(1, 25)):
        time = f"{dice.randrange(6, 12):02}:{dice.randrange(60):02}:{dice.randrange(0, 60, 20):02}"
        kind = dice.choice(["order_placed", "order_placed", "checkout_started", "profile_updated", "site_active"])
        more: dict[str, Any] = {}
        if kind == "profile_updated":
            values: dict[str, list[Any]] = {
                "country": ["FR", "AT", None, 7],
                "birthday": ["1999-01-01", "2001-05-05"],
                "first_name": ["Ada"],
                "accepts_marketing": [True, False, "yes"],
            }
            more = {name: dice.choice(values[name]) for name in dice.sample(sorted(values), 2)}
        elif kind != "site_active":
            more = {"coupon": dice.choice("AB")} if dice.random() < 0.7 else {}
            more["total"] = dice.choice([None, "49", "50"])
            more["currency"] = dice.choice(["USD", "USD", "EUR"])
        source = dice.choice(["shop", "shop/de", "till", "pos"])
        one = event(
            kind, time, id=f"{dice.randrange(1000):03}-{number}", source=source,
            channel_id=dice.choice([None, "1", "2"]), **more,
        )  # fmt: skip
        items = [
            {"categories": dice.sample(["shoes", "hats"], dice.randrange(3)), "quantity": dice.choice([1, "3"]),
             "unit_price": dice.choice(["19.90", "20.00", 25])}
            for _ in range(dice.randrange(3))
        ]  # fmt: skip
        if kind == "order_placed" and dice.random() < 0.8:
            one = msgspec.structs.replace(one, items=msgspec.Raw(json.dumps(items).encode()))
        found.append(one)
    return found


def some_condition(dice: random.Random, depth: int = 0, leaves: tuple[str, ...] = LEAVES) -> str:
    draw = dice.random()
    if depth == 2 or draw < 0.4:
        return dice.choice(leaves)
    if draw < 0.6:
        return f"{{ not: {some_condition(dice, depth + 1, leaves)} }}"
    joint = "all" if draw < 0.8 else "any"
    return f"{{ {joint}: [{', '.join(some_condition(dice, depth + 1, leaves) for _ in range(dice.randrange(1, 4)))}] }}"


@cache
def compiled(condition: str) -> Flow:
    return load(FLOW.replace("FILTER", condition), name="f.yaml")


def past_of(position: int, one: Event) -> Past:
    decoded = [msgspec.json.decode(part) or {} for part in (one.properties, one.context)]
    words: dict[str, Any] = decoded[0] | decoded[1] | {"items": msgspec.json.decode(one.items)}
    value = None if one.value is None else {"amount": one.value.amount, "currency": one.value.currency}
    short = one.type.removeprefix("commerce.").removesuffix(".v1").replace(".", "_")
    occurred_at = int(one.time.timestamp() * 1000)
    return Past(short, one.source, occurred_at, position, one.id, words | {"total": value})


@pytest.mark.parametrize("seed", range(30))
def test_the_oracle_gives_the_same_answers(seed: int) -> None:
    dice = random.Random(seed)
    events = some_events(dice)
    past = [past_of(position, one) for position, one in enumerate(events)]
    triggers = [one for one in past if one.name == "checkout_started"]
    conditions = [some_condition(dice) for _ in range(12)]
    asked = FLOW.replace("FILTER", f"{{ any: [{', '.join([*conditions, *LEAVES])}] }}")
    stage = Stage(load(asked, name="f.yaml"))
    for one in events:
        stage.event(one, "12:00")
    profile, now = stage.profile(), at("12:00") + dice.randrange(-3, 3) * 30 * MINUTE
    began = dice.choice(triggers) if triggers else Past("", "", at("09:00"), 1_000, "", {})
    enrollment = Enrollment(
        enrollment_id="e", flow="x", key="", visit=1, anchor_at=began.occurred_at, triggered_at=began.occurred_at,
        trigger_offset=int(began.position), entered_at=0,
        context=pack_words({word: value for word, value in began.words.items() if value is not None}),
    )  # fmt: skip
    live = frozenset(one.flow for one in profile.enrollments)
    ever = frozenset(profile.past)
    start = Began(began.occurred_at, began.position, began.words, 5 * MINUTE)
    person = Person(past, now, start, live, live | ever)
    for text in (*conditions, *LEAVES):
        flow = compiled(text)
        assert flow.filter is not None
        ours = judge(flow.filter, View(None, profile, enrollment, flow, now))
        assert ours is judge_person(YAML(typ="safe", pure=True).load(text), person), text


@pytest.mark.parametrize("seed", range(10))
def test_closures_answer_as_the_tree_does(seed: int) -> None:
    """Semantics 10.1 to 10.3 and 10.6, whatever short cut is taken."""
    dice = random.Random(seed)
    comparing = (
        "{ total: { gte: { money: '50', currency: USD } } }", "{ coupon: { in: [A, C] } }",
        "{ items: { is_set: true } }",
        "{ channel_id: { ne: '1' }, coupon: { is_not_set: true } }", "{ items: { any: { unit_price: { lt: 20 } } } }",
        "{ items: { all: { categories: { contains: shoes }, quantity: { in: [1, 3] } } } }",
    )  # fmt: skip
    for _ in range(10):
        text = some_condition(dice, leaves=comparing)
        where = load(FLOW.replace("filter: FILTER", f"where: {text}"), name="f.yaml").trigger.where
        assert where is not None
        answers = closure(where)
        for one in some_events(dice):
            words = {name: value for name, value in past_of(0, one).words.items() if value is not None}
            assert answers(words) is judge_words(where, words), text
