"""Capabilities that recipes show, by their ids: several recipes on one timeline, as they would stand in one folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents import cli, recipes, resources
from agents.flow_files import load_flows, load_policy
from schemas.connectors import CONNECTORS, LAGS
from schemas.event import Event
from schemas.instants import from_wire
from streams.flowfile import load_timelines
from streams.rehearsal import Rehearsal
from streams.timeline import clock_time


def play(folder: Path, flows: str, *lines: str) -> Rehearsal:
    """The flows of these names on one timeline, to its end."""
    found = [load_flows(folder / f"{name}.yaml")[0] for name in flows.split()]
    rehearsal = Rehearsal(found, policy=load_policy(folder))
    text = "".join(["- name: a day\n  timeline:\n", *(f"    - {{ {line} }}\n" for line in lines), "  expect: []\n"])
    [timeline] = load_timelines(text.replace("expect: []", "expect: [{ sends: 0 }]"), name="day", flow=found[0])
    for happening in timeline.happenings:
        if isinstance(happening.what, Event):
            rehearsal.event(happening.what, at=happening.at)
        elif happening.what is not None:
            rehearsal.watermark(happening.what, at=happening.at)
    rehearsal.finish()
    return rehearsal


def told(rehearsal: Rehearsal, *outcomes: str) -> list[str]:
    """`flow outcome reason-or-step at`, in order."""
    return [
        f"{one.flow} {one.outcome} {one.step if one.outcome == 'sent' else one.reason} "
        f"{clock_time(from_wire(one.decided_at))}"
        for one in rehearsal.decisions
        if one.outcome in (outcomes or ("sent", "ended")) and one.reason != "done"
    ]


@pytest.fixture
def magento(tmp_path: Path) -> Path:
    """All recipes, made ready for Magento 1 with Buy with Prime beside it."""
    for name in recipes.library():
        recipes.write(recipes.prepare(name, source="magento1", lags=LAGS), tmp_path)
    return tmp_path


def test_s0_06_browse_abandonment_names_the_first_product(magento: Path) -> None:
    day = play(
        magento,
        "browse_abandonment",
        'at: "10:00", product_viewed: { profile: p1, product_id: A, sku: A }',
        'at: "10:20", product_viewed: { profile: p1, product_id: B, sku: B }',
        'at: "12:30", watermark: { source: magento1.orders, complete_through: "12:30" }',
    )
    assert told(day) == ["browse_abandonment sent remind 12:30"]
    assert [command.variables["trigger"]["sku"] for command in day.commands] == ["A"]


def test_s0_08_cross_sell_asks_those_who_bought_a_console_and_no_game(magento: Path) -> None:
    console, game = "{ sku: C, categories: [consoles] }", "{ sku: G, categories: [games] }"
    lines = [
        f'at: "09:00", order_placed: {{ profile: p{n}, order_id: O{n}, items: [{items}] }}'
        for n, items in ((1, console), (2, f"{console}, {game}"))
    ]
    lines += [line.replace("09:00", "10:00").replace("order_placed", "order_fulfilled") for line in lines]
    lines.append('at: "10:30", product_viewed: { profile: p3, sku: C }')
    lines.append(
        'at: "2026-01-08T10:00:00Z", watermark: { source: magento1.orders, complete_through: "2026-01-08T10:00:00Z" }'
    )
    day = play(magento, "cross_sell", *lines)
    assert [command.addresses["email"] for command in day.commands] == ["p1@example.test"]


def test_s0_09_a_shipped_order_is_one_request_for_a_review(magento: Path) -> None:
    day = play(
        magento,
        "review_request",
        'at: "10:00", order_fulfilled: { profile: p1, order_id: O1, items: [{ sku: A }, { sku: B }] }',
        'at: "2026-01-08T10:00:00Z", watermark: { source: magento1.orders, complete_through: "2026-01-08T10:00:00Z" }',
    )
    assert len(told(day, "entered")) == 1
    assert [len(command.variables["trigger"]["items"]) for command in day.commands] == [2]


def test_s0_11_winback_after_six_calendar_months(magento: Path) -> None:
    def order(day: str, number: int, time: str = "12:00") -> str:
        return f'at: "2026-{day}T{time}:00Z", order_placed: {{ profile: p1, order_id: O{number} }}'

    def mark(day: str, time: str = "12:00") -> str:
        at = f"2026-{day}T{time}:00Z"
        return f'at: "{at}", watermark: {{ source: magento1.orders, complete_through: "{at}" }}'

    once = play(magento, "winback", order("01-01", 1), mark("07-01"))
    assert told(once) == ["winback sent win_back 2026-07-01T12:00:00.000Z"]
    twice = play(magento, "winback", order("01-01", 1), order("03-01", 2), mark("09-01"))
    assert told(twice) == [
        "winback ended bought_again 2026-03-01T12:00:00.000Z",
        "winback sent win_back 2026-09-01T12:00:00.000Z",
    ]
    close = play(magento, "winback", order("01-01", 1), order("01-01", 2, "12:04"), mark("07-01", "12:04"))
    assert told(close) == ["winback ended bought_again 12:04", "winback sent win_back 2026-07-01T12:04:00.000Z"]


CHECKOUTS = "prime_checkout_shop prime_checkout_prime"


def test_s0_14_an_order_with_prime_keeps_the_cart_of_the_shop_quiet(magento: Path) -> None:
    day = play(
        magento,
        CHECKOUTS,
        'at: "10:00", source: magento1, checkout_started: { profile: p1, checkout_id: C1 }',
        'at: "10:20", source: prime.orders, order_placed: { profile: p1, order_id: B1 }',
    )
    assert told(day) == ["prime_checkout_shop ended bought_with_prime 10:20"]
    assert not day.commands


def test_s0_14_a_checkout_with_prime_enters_the_flow_of_prime_only(magento: Path) -> None:
    day = play(
        magento,
        CHECKOUTS,
        'at: "10:00", source: prime, checkout_started: { profile: p1, checkout_id: B1 }',
        'at: "11:30", watermark: { source: magento1.orders, complete_through: "11:30" }',
        'at: "11:30", watermark: { source: prime.orders, complete_through: "11:30" }',
    )
    assert told(day, "entered", "sent") == [
        "prime_checkout_prime entered triggered 10:00",
        "prime_checkout_prime sent remind 11:30",
    ]


@pytest.mark.parametrize("minute", [2, 10])
@pytest.mark.parametrize(
    ("first", "second", "reason", "reminds"),
    [
        ("magento1", "prime", "prime_checkout_shop ended went_on_with_prime", "prime_checkout_prime"),
        ("prime", "magento1", "prime_checkout_prime ended went_on_in_the_shop", "prime_checkout_shop"),
    ],
)
def test_s0_14_who_goes_on_to_the_other_checkout_is_reminded_by_that_only(
    magento: Path, first: str, second: str, reason: str, reminds: str, minute: int
) -> None:
    day = play(
        magento,
        CHECKOUTS,
        f'at: "10:00", source: {first}, checkout_started: {{ profile: p1, checkout_id: A1 }}',
        f'at: "10:{minute:02}", source: {second}, checkout_started: {{ profile: p1, checkout_id: A2 }}',
        'at: "11:30", watermark: { source: magento1.orders, complete_through: "11:30" }',
        'at: "11:30", watermark: { source: prime.orders, complete_through: "11:30" }',
    )
    assert told(day) == [f"{reason} 10:{minute:02}", f"{reminds} sent remind 11:30"]


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        ("source: prime, checkout_started: { profile: p1, checkout_id: B1 }", "ended went_on_with_prime 10:10"),
        ("source: prime.orders, order_placed: { profile: p1, order_id: B1 }", "ended bought_with_prime 10:10"),
        ("source: magento1, site_active: { profile: p1 }", "sent remind 12:30"),
    ],
)
def test_s0_15_browsing_is_followed_up_without_checkout_and_order_with_prime(
    magento: Path, happens: str, expected: str
) -> None:
    day = play(
        magento,
        "prime_browse",
        'at: "10:00", product_viewed: { profile: p1, product_id: A }',
        f'at: "10:10", {happens}',
        'at: "12:30", watermark: { source: magento1.orders, complete_through: "12:30" }',
        'at: "12:30", watermark: { source: prime.orders, complete_through: "12:30" }',
    )
    assert told(day) == [f"prime_browse {expected}"]


def test_s0_16_each_source_of_orders_wins_back_its_own(magento: Path) -> None:
    through = "2026-07-31T12:00:00Z"
    day = play(
        magento,
        "prime_winback_shop prime_winback_prime",
        'at: "2026-01-01T12:00:00Z", source: magento1.orders, order_placed: { profile: p1, order_id: O1 }',
        'at: "2026-01-31T12:00:00Z", source: prime.orders, order_placed: { profile: p1, order_id: B1 }',
        f'at: "{through}", watermark: {{ source: magento1.orders, complete_through: "{through}" }}',
        f'at: "{through}", watermark: {{ source: prime.orders, complete_through: "{through}" }}',
    )
    assert told(day, "entered", "ended", "sent") == [
        "prime_winback_shop entered triggered 12:00",
        "prime_winback_shop ended bought_with_prime 2026-01-31T12:00:00.000Z",
        "prime_winback_prime entered triggered 2026-01-31T12:00:00.000Z",
        "prime_winback_prime sent win_back 2026-07-31T12:00:00.000Z",
    ]


@pytest.mark.parametrize("source", [recipes.SHOP, *CONNECTORS])
def test_s0_17_a_prebuilt_flow_is_written_compiles_and_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    """Every recipe, for every source, by the commands that somebody would type."""

    def run(*words: str) -> dict[str, Any]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["flows", *words, "--json"])
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert ended.value.code == 0, told
        return told

    for name in recipes.library():
        run("init", name, "--source", source, "--into", str(tmp_path))
    checked = run("check", str(tmp_path))
    assert checked["findings"] == []
    assert len(checked["flows"]) == sum(len(one.stems) for one in recipes.library().values()) - 1  # and the policy
    assert run("test", "--coverage", "--fail-under", "100", str(tmp_path))["ok"]


def test_s4_06_each_storefront_has_its_branch_and_none_ends_silently() -> None:
    checkouts = [
        f'at: "10:00", checkout_started: {{ profile: p{n}, checkout_id: C{n}, channel_id: {n} }}' for n in (2, 3, 9)
    ]
    day = play(
        resources.flows(),
        "abandoned_checkout_per_storefront",
        *checkouts,
        'at: "14:00", watermark: { source: shop.orders, complete_through: "14:00" }',
    )
    assert sorted(told(day)) == [
        "abandoned_checkout_per_storefront ended no_branch_matched 14:00",
        "abandoned_checkout_per_storefront sent store_three 14:00",
        "abandoned_checkout_per_storefront sent store_two 14:00",
    ]


def test_the_first_trap_a_cart_is_the_business_of_the_storefront_it_was_left_in() -> None:
    """Section 1.7: first bought in storefront 2, a cart left in storefront 3."""
    day = play(
        resources.flows(),
        "abandoned_checkout_per_storefront",
        'at: "08:00", source: shop.orders, order_placed: { profile: p1, order_id: O1, channel_id: 2 }',
        'at: "10:00", checkout_started: { profile: p1, checkout_id: C3, channel_id: 3 }',
        'at: "14:00", watermark: { source: shop.orders, complete_through: "14:00" }',
    )
    assert told(day) == ["abandoned_checkout_per_storefront sent store_three 14:00"]
