"""Source watermarks: promises per tenant, source and shop that only grow (semantics 6.1)."""

from __future__ import annotations

import pytest

from schemas.steps import Gate
from streams.watermarks import Gates, Watermarks
from tests.unit.stage import ORDERS, TENANT, at, mark

GATE = Gate(source=ORDERS)


def heard(*marks: tuple[str, str]) -> Watermarks:
    """From (shop, through)."""
    watermarks = Watermarks()
    for shop, through in marks:
        watermarks.advance(mark(through, shop=shop))
    return watermarks


def test_never_reported_means_incomplete() -> None:
    assert Watermarks().complete_through(tenant=TENANT, gate=GATE) is None
    assert not Gates(Watermarks(), TENANT).open((GATE,), due_at=0)


def test_a_promise_is_monotonic() -> None:
    watermarks = Watermarks()
    assert watermarks.advance(mark("10:30"))
    assert not watermarks.advance(mark("10:00"))
    assert not watermarks.advance(mark("10:30"))
    assert not watermarks.is_news(mark("10:29"))
    assert watermarks.is_news(mark("10:31"))
    assert watermarks.complete_through(tenant=TENANT, gate=GATE) == at("10:30")


def test_without_a_named_shop_the_slowest_one_counts() -> None:
    """Semantics 6.2: as complete as its slowest shop."""
    watermarks = heard(("one", "10:30"), ("two", "10:10"))
    assert watermarks.complete_through(tenant=TENANT, gate=GATE) == at("10:10")
    assert watermarks.complete_through(tenant=TENANT, gate=Gate(source=ORDERS, shop="one")) == at("10:30")
    assert watermarks.complete_through(tenant=TENANT, gate=Gate(source=ORDERS, shop="three")) is None


def test_a_promise_holds_for_its_tenant_and_its_exact_source() -> None:
    watermarks = heard(("", "10:30"))
    assert watermarks.complete_through(tenant="other", gate=GATE) is None
    assert watermarks.complete_through(tenant=TENANT, gate=Gate(source="shop")) is None
    assert watermarks.complete_through(tenant=TENANT, gate=Gate(source=ORDERS + ".eu")) is None


@pytest.mark.parametrize(("due", "is_open"), [("10:29:59.999", True), ("10:30", True), ("10:30:00.001", False)])
def test_complete_through_an_instant_includes_it(due: str, is_open: bool) -> None:
    assert Gates(heard(("", "10:30")), TENANT).open((GATE,), due_at=at(due)) is is_open


def test_every_source_must_be_complete() -> None:
    watermarks = heard(("", "10:30"))
    both = (GATE, Gate(source="shop.carts"))
    gates = Gates(watermarks, TENANT)
    assert not gates.open(both, due_at=at("10:00"))
    assert gates.state(both) == {ORDERS: "2026-11-20T10:30:00.000Z", "shop.carts": None}
    watermarks.advance(mark("10:00", source="shop.carts"))
    assert gates.open(both, due_at=at("10:00"))


def test_what_is_packed_comes_back() -> None:
    watermarks = heard(("one", "10:30"), ("", "10:10"))
    watermarks.advance(mark("09:00", tenant="other", source="a/b.c"))
    again = Watermarks(watermarks.pack())
    assert again.pack() == watermarks.pack()
    assert again.complete_through(tenant="other", gate=Gate(source="a/b.c")) == at("09:00")
    assert not again.is_news(mark("10:30", shop="one"))
