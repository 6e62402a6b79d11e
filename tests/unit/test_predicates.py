"""Predicates, each on what a person has done: true, false or unknown (semantics 10.1 and 10.5)."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from schemas.codec import pack_words
from schemas.dossier import Consent, Dossier
from schemas.event import Event
from schemas.limits import COUNTED_DAYS_MAX, COUNTED_EXACTLY_MAX, FACT_BYTES_MAX, FACTS_MAX
from schemas.profile import Enrollment, Past, Profile
from streams.facts import value_of
from streams.flowfile import load
from streams.predicates import judge
from streams.program import build
from streams.view import View
from tests.unit.stage import Stage, at, checkout, event, order

FLOW = """
flow: f
entry:
  trigger: { event: checkout_started }
  filter: FILTER
  reentry: always
steps: [{ stop: done }]
"""


def with_items(one: Event, *items: dict[str, Any]) -> Event:
    return msgspec.structs.replace(one, items=msgspec.Raw(json.dumps(items).encode()))


def said(time: str, **facts: Any) -> Event:
    return event("profile_updated", time, **facts)


def seen_on(one: Event, **context: str) -> Event:
    return msgspec.structs.replace(one, context=msgspec.Raw(json.dumps(context).encode()))


def known(condition: str, *events: Event) -> tuple[Stage, Profile]:
    """What is known after these events, of which each arrives at the end of the day, if a flow asks the condition."""
    stage = Stage(load(FLOW.replace("FILTER", condition), name="f.yaml"))
    for one in events:
        stage.event(one, "23:00")
    return stage, stage.profile() if stage.store else Profile(tenant="acme", profile_id="ann")


def answer(condition: str, *events: Event, now: str = "12:00", began: Event | None = None) -> bool | None:
    """Of the condition. `began`: the trigger of the enrollment in which it is asked; it stands among the events."""
    stage, profile = known(condition, *events)
    (flow,) = stage.program.flows.values()
    assert flow.filter is not None
    enrollment = None
    if began is not None:
        enrollment = Enrollment(
            enrollment_id="e", flow="f", key="", visit=1, anchor_at=moment(began), triggered_at=moment(began),
            trigger_offset=events.index(began), entered_at=0,
            context=pack_words(msgspec.json.decode(began.properties) or {}),
        )  # fmt: skip
    return judge(flow.filter, View(None, profile, enrollment, flow, at(now)))


def moment(one: Event) -> int:
    return int(one.time.timestamp() * 1000)


class TestEventCount:
    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ("eq: 3", True),
            ("gte: 4", False),
            ("gt: 1, lt: 3", False),
            ("ne: 0", True),
            ("in_last: 2h, eq: 2", True),  # exactly two hours ago is in the last two hours
            ("in_last: 119m, eq: 1", True),
            ("source: [shop.orders], eq: 2", True),
            ("source: pos, eq: 1", True),
            ('where: { total: { gte: { money: "50", currency: USD } } }, eq: 1', True),
            ('where: { total: { lt: { money: "50", currency: USD } } }, eq: 1', True),  # without a total it is unknown
        ],
    )
    def test_how_many(self, asked: str, expected: bool) -> None:
        orders = [order("09:00", total="50"), order("10:00", total="49"), order("11:00", source="pos/till")]
        condition = f"{{ event_count: {{ event: order_placed, {asked} }} }}"
        assert answer(condition, *orders) is expected

    def test_none_are_none_and_not_unknown(self) -> None:
        assert answer("{ event_count: { event: order_placed, eq: 0 } }") is True
        assert answer("{ not: { event_count: { event: order_placed, eq: 0 } } }") is False

    @pytest.mark.parametrize(
        ("orders", "expected"),
        [
            ([("10:01", "after")], 1),
            ([("10:00", "after")], 1),  # stamped the same, appended after it
            ([("09:59", "after")], 1),
            ([("09:55", "after")], 0),  # exactly `skew` before
            ([("09:59", "before")], 0),
            ([("10:00", "before")], 0),  # stamped the same, appended before it
            ([("10:01", "before")], 1),
            ([("09:59", "before"), ("09:58", "after"), ("11:00", "after")], 2),
        ],
    )
    def test_since_start_counts_as_exit_rules_do(self, orders: list[tuple[str, str]], expected: int) -> None:
        """Semantics 3.4: after the anchor; and from `skew` before it, if it was appended after the trigger."""
        trigger = checkout("10:00")
        before = [order(time) for time, side in orders if side == "before"]
        after = [order(time) for time, side in orders if side == "after"]
        condition = f"{{ event_count: {{ event: order_placed, since: start, eq: {expected} }} }}"
        assert answer(condition, *before, trigger, *after, began=trigger) is True

    def test_with_match_it_counts_what_is_correlated_whenever_it_occurred(self) -> None:
        """Semantics 3.4: with `match`, correlated events count whatever their occurred_at."""
        trigger = checkout("10:00", checkout_id="C1")
        orders = [order("07:00", checkout_id="C1"), order("11:00", checkout_id="C2"), order("11:30")]
        condition = "event: order_placed, match: { checkout_id: trigger.checkout_id }"
        assert answer(f"{{ event_count: {{ {condition}, eq: 1 }} }}", trigger, *orders, began=trigger) is True
        recent = f"{{ event_count: {{ {condition}, in_last: 4h, eq: 0 }} }}"
        assert answer(recent, trigger, *orders, began=trigger) is True

    def test_the_trigger_itself_is_never_counted(self) -> None:
        trigger = checkout("10:00", checkout_id="C1")
        for how in ("since: start", "match: { checkout_id: trigger.checkout_id }"):
            condition = f"{{ event_count: {{ event: checkout_started, {how}, eq: 0 }} }}"
            assert answer(condition, trigger, began=trigger) is True

    def test_beyond_its_bound_a_window_counts_the_day_in_which_it_begins_as_a_whole(self) -> None:
        """Semantics 7.7: the newest are known exactly, older ones by UTC day."""
        old = [order(f"-3 {hour:02}:00") for hour in (1, 2, 20)]
        new = [order(f"10:{number % 60:02}:{number // 60:02}") for number in range(COUNTED_EXACTLY_MAX)]
        ask = "{ event_count: { event: order_placed, in_last: WITHIN, eq: NUMBER } }"
        for within, number in (("1d", 64), ("64h", 67), ("2d", 64), ("80h", 67)):  # 64 h ago is 20:00 of that day
            condition = ask.replace("WITHIN", within).replace("NUMBER", str(number))
            assert answer(condition, *old, *new) is True, within
        assert answer("{ event_count: { event: order_placed, eq: 67 } }", *old, *new) is True

    def test_only_the_newest_days_are_known_and_what_is_forgotten_is_counted(self) -> None:
        orders = [order(f"-{number + 1} 10:00", backfill=True) for number in range(COUNTED_DAYS_MAX + 64 + 10)]
        stage, profile = known("{ event_count: { event: order_placed, gte: 1 } }", *orders)
        (count,) = profile.known().counts.values()
        assert (count.total, len(count.recent), len(count.days)) == (len(orders), 64, COUNTED_DAYS_MAX)
        assert stage.tallies["evicted", "count_days"] == 10
        assert profile.weight > 0

    def test_what_nobody_asks_for_is_not_counted(self) -> None:
        _, profile = known("{ event_count: { event: order_placed, gte: 1 } }", event("product_viewed", "10:00"))
        assert profile.dossier is None

    def test_conditions_that_ask_for_the_same_share_a_counter(self) -> None:
        same = "event: order_placed, source: SOURCES"
        both = "{ all: [{ event_count: { SAME, gte: 1 } }, { event_count: { SAME, in_last: 2d, lt: 9 } }] }"
        condition = both.replace("SAME", same).replace("SOURCES", "[a, b]", 1).replace("SOURCES", "[b, a]")
        _, profile = known(condition, order("10:00", source="a"))
        assert len(profile.known().counts) == 1

    def test_a_counter_that_nobody_asks_for_any_more_goes_when_another_one_comes(self) -> None:
        stage, _ = known("{ event_count: { event: order_placed, eq: 1 } }", order("10:00"))
        asked = FLOW.replace("FILTER", "{ event_count: { event: site_active, eq: 1 } }")
        stage.restart(build([load(asked, name="f.yaml")])).event(event("site_active", "11:00"), "23:30")
        (count,) = stage.profile().known().counts.values()
        assert count.recent == [at("11:00")]


class TestLastEvent:
    ORDERS = (order("09:00", channel_id="2"), order("11:00", channel_id="3"))

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ('where: { channel_id: { eq: "3" } }', True),
            ('where: { channel_id: { eq: "2" } }', False),  # it is asked of the newest, it does not choose one
            ("where: { coupon: { eq: X } }", None),
            ("ago: { lte: 1h }", True),
            ("ago: { lt: 1h }", False),
            ("ago: { gt: 30m, lt: 90m }", True),
            ("where: { coupon: { eq: X } }, ago: { gt: 1d }", False),
        ],
    )
    @pytest.mark.parametrize("backward", [False, True])
    def test_the_newest_by_when_it_occurred(self, asked: str, expected: bool | None, *, backward: bool) -> None:
        orders = self.ORDERS[::-1] if backward else self.ORDERS
        assert answer(f"{{ last_event: {{ event: order_placed, {asked} }} }}", *orders) is expected

    def test_without_one_it_is_unknown(self) -> None:
        condition = "{ last_event: { event: order_placed, ago: { lt: 30d } } }"
        assert answer(condition, event("site_active", "10:00")) is None
        assert answer(f"{{ not: {condition} }}", event("site_active", "10:00")) is None


class TestFact:
    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ("country: { eq: FR }", True),
            ("country: { in: [DE, AT] }", False),
            ("country: { starts_with: F }, first_name: { eq: Ada }", True),
            ("last_name: { eq: L }", None),
            ("last_name: { is_set: true }", False),
            ("last_name: { is_not_set: true }", True),
            ("city: { is_set: true }", False),  # stated as null
            ("city: { eq: Paris }", None),
            ("accepts_marketing: { is_true: true }", False),
            ('birthday: { lt: "2000-01-01" }', True),
            ('birthday: { eq: "1999-12-31" }', True),
            ("region: { eq: X }", None),  # stated as a number
            ("external_id: { eq: ann }", True),
            ("phone: { is_set: true }", False),
            ("last_seen_at: { gte: 2026-11-20T10:00:00Z }", True),
        ],
    )
    def test_every_kind(self, asked: str, expected: bool | None) -> None:
        facts = said(
            "10:00", country="FR", first_name="Ada", city=None, accepts_marketing=False, birthday="1999-12-31", region=7
        )
        assert answer(f"{{ fact: {{ {asked} }} }}", facts) is expected

    def test_a_value_of_another_kind_is_unknown_and_counted(self) -> None:
        """Semantics 10.5: a stored value of another kind than declared is unknown, and counted."""
        stage, profile = known("{ fact: { birthday: { is_set: true } } }", said("10:00", birthday="31.12.1999"))
        assert stage.tallies["fact_wrong_kind", "birthday"] == 1
        assert value_of(profile, "birthday") == "31.12.1999"

    def test_declared_facts_are_typed_too(self) -> None:
        program = build([], declared={"loyalty_points": "number", "country": "number"})
        stage = Stage().event(said("09:00")).restart(program)
        stage.event(said("10:00", loyalty_points="many", country="FR"))
        assert stage.tallies["fact_wrong_kind", "loyalty_points"] == 1
        assert stage.tallies["fact_wrong_kind", "country"] == 0, "what is built in stays what it is"

    def test_first_seen_and_channels_whatever_the_order(self) -> None:
        """Semantics 7.6: first-seen keeps the smallest, sets unite."""
        condition = '{ fact: { original_channel_id: { eq: "5" }, channels: { contains: "3" } } }'
        visits = [
            event("site_active", time, channel_id=channel)
            for time, channel in (("11:00", "2"), ("12:00", "3"), ("09:00", "5"))
        ]
        assert answer(condition, *visits) is True
        _, profile = known(condition, *visits)
        assert value_of(profile, "channels") == ["2", "3", "5"]

    def test_what_can_be_read_off_any_event_is_kept_only_if_it_is_asked_for(self) -> None:
        visit = seen_on(event("site_active", "10:00"), locale="fr", timezone="Europe/Paris", country="FR")
        _, profile = known("{ fact: { country: { eq: FR } } }", visit)
        assert set(profile.known().facts) == {"country"}
        _, profile = known('{ now_between: { local: "09:00-17:00" } }', visit)
        assert set(profile.known().facts) == {"country", "locale", "timezone"}
        _, profile = known("{ event_count: { event: order_placed, eq: 0 } }", visit)
        assert profile.dossier is None

    def test_too_many_and_too_long_ones_are_forgotten_and_counted(self) -> None:
        many = [said("10:00", **{f"note_{number}": "x" for number in range(FACTS_MAX)}), said("11:00", country="FR")]
        stage, profile = known("{ fact: { country: { eq: FR } } }", *many, said("12:00", city="x" * FACT_BYTES_MAX))
        assert len(profile.known().facts) == FACTS_MAX
        assert "country" in profile.known().facts
        assert "city" not in profile.known().facts
        assert stage.tallies["evicted", "facts"] == 1
        assert stage.tallies["evicted", "fact_too_long"] == 1
        assert profile.weight > FACTS_MAX * 40


@pytest.mark.parametrize("seed", range(20))
def test_state_does_not_depend_on_the_order_of_arrival(seed: int) -> None:
    """Semantics 7.6 and 7.7: the latest stays, of one instant the higher event id; first the smallest; sets unite."""
    dice = random.Random(seed)
    condition = """{ all: [
      { fact: { country: { eq: FR }, first_seen_at: { is_set: true }, channels: { contains: "1" } } },
      { fact: { original_channel_id: { eq: "1" } } },
      { event_count: { event: order_placed, in_last: 2d, gte: 1 } },
      { last_event: { event: order_placed, where: { coupon: { eq: X } } } } ] }"""
    events = [
        said(f"{dice.randrange(8, 12):02}:00", country=dice.choice(["FR", "DE", None]), first_name=str(number))
        for number in range(8)
    ]
    events += [
        seen_on(order(f"{dice.choice(['', '-1 '])}10:{number:02}", coupon=str(number)), channel_id=dice.choice("123"))
        for number in range(60)
    ]
    events += [order(f"-{3 + number} 10:00") for number in range(7)]  # more than are known exactly
    first, *others = (_state(condition, dice.sample(events, len(events))) for _ in range(3))
    assert others == [first, first]


def _state(condition: str, events: list[Event]) -> Any:
    _, profile = known(condition, *events)
    counts = {
        name: (one.total, one.recent, one.days, one.newest and [one.newest[0], one.newest[2]])
        for name, one in profile.known().counts.items()
    }
    return msgspec.to_builtins(profile.known().facts), counts


class TestWhoAndWhen:
    def judged(self, condition: str, profile: Profile, *, now: str = "12:00") -> bool | None:
        flow = load(FLOW.replace("FILTER", condition), name="f.yaml")
        assert flow.filter is not None
        return judge(flow.filter, View({}, profile, None, flow, at(now)))

    def test_in_flow(self) -> None:
        text = FLOW.replace("  filter: FILTER\n", "").replace("{ stop: done }", "{ wait: { for: 1h } }")
        stage = Stage(load(text, name="f.yaml")).event(checkout("10:00"))
        inside = stage.profile()
        stage.finish()
        ended = stage.profile()
        never = Profile(tenant="acme", profile_id="x")
        for condition, expected in (
            ("{ in_flow: f }", (True, False, False)),
            ("{ in_flow: { flow: f, ever: true } }", (True, True, False)),
            ("{ in_flow: { flow: g, ever: true } }", (False, False, False)),
            ("{ not: { in_flow: f } }", (False, True, True)),
        ):
            assert tuple(self.judged(condition, one) for one in (inside, ended, never)) == expected

    def test_what_has_ever_been_is_known_by_key_as_well(self) -> None:
        profile = Profile(tenant="acme", profile_id="x", past={"f\x1fC1": Past(started_at=1)})
        assert self.judged("{ in_flow: { flow: f, ever: true } }", profile) is True
        assert self.judged("{ in_flow: { flow: f } }", profile) is False

    @pytest.mark.parametrize(
        ("said_", "general", "of_two"),
        [
            ({}, None, None),
            ({"email": (True, 1)}, True, True),
            ({"email": (False, 1)}, False, False),
            ({"email/2": (True, 1)}, None, True),
            ({"email": (True, 1), "email/2": (False, 2)}, True, False),
            ({"email": (False, 2), "email/2": (True, 1)}, False, False),
            ({"email": (True, 1), "email/2": (False, 1)}, True, False),
            ({"email": (True, 1), "*": (False, 2)}, False, False),
            ({"sms": (True, 1)}, None, None),
        ],
    )
    def test_consent(self, said_: dict[str, tuple[bool, int]], general: bool | None, of_two: bool | None) -> None:
        consents = {name: Consent(granted, when) for name, (granted, when) in said_.items()}
        profile = Profile(tenant="acme", profile_id="x", dossier=Dossier(consents=consents))
        assert self.judged("{ consent: email }", profile) is general
        assert self.judged('{ consent: { channel: email, storefront: "2" } }', profile) is of_two

    @pytest.mark.parametrize(
        ("window", "zone", "now", "expected"),
        [
            ('local: "09:00-17:00"', "Europe/Berlin", "08:00", True),  # 09:00 there
            ('local: "09:00-17:00"', "Europe/London", "08:59", False),
            ('local: "09:00-17:00"', "Europe/London", "17:00", False),  # half-open
            ('local: "22:00-07:00"', "Europe/London", "06:59", True),
            ('local: "22:00-07:00", on: [thu]', "Europe/London", "06:00", True),  # it is Friday
            ('local: "22:00-07:00", on: [fri]', "Europe/London", "06:00", False),
            ('local: "09:00-17:00", except: ["2026-11-20"]', "Europe/London", "12:00", False),
            ('local: "09:00-17:00"', "Mars/Base", "12:00", True),  # falls to the flow's own zone
        ],
    )
    def test_now_between(self, window: str, zone: str, now: str, *, expected: bool) -> None:
        stage = Stage().event(said("01:00", timezone=zone))
        assert self.judged(f"{{ now_between: {{ {window} }} }}", stage.profile(), now=now) is expected


class TestItems:
    """Semantics 10.6."""

    @pytest.mark.parametrize(
        ("asked", "items", "expected"),
        [
            ("any: { sku: { eq: A } }", [{"sku": "A"}, {"sku": "B"}], True),
            ("all: { sku: { eq: A } }", [{"sku": "A"}, {"sku": "B"}], False),
            ("all: { sku: { in: [A, B] } }", [{"sku": "A"}, {"sku": "B"}], True),
            ("any: { sku: { eq: C } }", [{"sku": "A"}, {}], None),
            ("all: { sku: { eq: A } }", [{"sku": "A"}, {}], None),
            ("any: { sku: { eq: A } }", [], False),
            ("all: { sku: { eq: A } }", [], None),
            ("any: { unit_price: { gte: 19.9 } }", [{"unit_price": "19.90"}], True),
            ("any: { quantity: { eq: 2 } }", [{"quantity": 2}], True),
            ("any: { quantity: { eq: 2 } }", [{"quantity": "two"}], None),
            ("any: { categories: { in: [x, y] } }", [{"categories": ["z", "y"]}], True),
            ("any: { categories: { not_in: [x, y] } }", [{"categories": ["z", "y"]}], False),
            ("any: { categories: { contains: y } }", [{"categories": "y"}], None),
            ("any: { brand: { is_not_set: true } }", [{"sku": "A"}], True),
        ],
    )
    def test_any_and_all(self, asked: str, items: list[dict[str, Any]], expected: bool | None) -> None:
        flow = load(FLOW.replace("FILTER", f"{{ items: {{ {asked} }} }}"), name="f.yaml")
        assert flow.filter is not None
        assert judge(flow.filter, View({"items": items})) is expected

    def test_an_event_that_names_none_and_items_that_are_none(self) -> None:
        flow = load(FLOW.replace("FILTER", "{ items: { any: { sku: { is_set: true } } } }"), name="f.yaml")
        assert flow.filter is not None
        assert judge(flow.filter, View({})) is None
        assert judge(flow.filter, View({"items": ["A", 5]})) is False

    def test_they_are_counted_by_too(self) -> None:
        condition = "{ event_count: { event: order_placed, where: { items: { any: { sku: { eq: A } } } }, eq: 1 } }"
        orders = [with_items(order("09:00"), {"sku": "A"}), with_items(order("10:00"), {"sku": "B"}), order("11:00")]
        assert answer(condition, *orders) is True
