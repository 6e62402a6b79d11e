"""What the systems of the sample shop report, as lines of a file in order of arrival."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from schemas.instants import to_wire

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SYNC = 30 * MINUTE
TENANT = "sample"
SITE, ORDERS, MARKET = "shop.site", "shop.orders", "market.orders"

#: SKU, name and price.
Product = tuple[str, str, str]
Basket = list[Product]
PRODUCTS: tuple[Product, ...] = (
    ("A-100", "Enamel camp mug", "14.00"),
    ("A-110", "Walnut serving board", "48.00"),
    ("B-200", "Linen apron", "39.50"),
    ("B-210", "Wool throw, moss", "89.00"),
    ("C-300", "Pour-over kettle", "72.00"),
    ("C-310", "Hand coffee grinder", "96.00"),
    ("D-400", "Beeswax candles, three", "21.00"),
    ("D-410", "Stoneware planter", "33.00"),
    ("E-500", "Handheld console", "119.00"),
    ("E-510", "Puzzle game", "29.00"),
)
CATEGORIES = {"E-500": ["consoles"], "E-510": ["games"]}


@dataclass
class Day:
    """The lines so far, each with when it arrives and its number."""

    random: Random
    lines: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    serial: int = 0

    def add(self, line: dict[str, Any], *, arrives_at: int, occurred_at: int | None = None) -> None:
        """One more."""
        if occurred_at is not None:
            line["time"] = to_wire(occurred_at)
        if occurred_at != arrives_at:
            line["arrived_at"] = to_wire(arrives_at)
        self.lines.append((arrives_at, len(self.lines), line))

    def number(self) -> int:
        """A number that nothing else has."""
        self.serial += 1
        return self.serial


def product_event(
    day: Day, type_: str, identity: dict[str, str], product: Product, *, at: int, source: str = SITE
) -> None:
    """Something about a product, known at once."""
    sku, name, price = product
    properties = {
        "product_id": sku,
        "name": name,
        "price": {"amount": price, "currency": "USD"},
        "categories": CATEGORIES.get(sku, ["home"]),
        "url": f"https://shop.example/p/{sku.lower()}",
    }
    day.add(event(day, type_, source, identity, properties), arrives_at=at, occurred_at=at)


def checkout_event(
    day: Day, identity: dict[str, str], basket: Basket, *, at: int, source: str = SITE, channel: str = ""
) -> str:
    """Somebody begins a checkout, in a storefront if there are several. Returns the number of the checkout."""
    checkout = f"C{day.number():05d}"
    properties = {"checkout_id": checkout, "checkout_url": f"https://shop.example/checkout/{checkout.lower()}"}
    line = event(day, "commerce.checkout.started.v1", source, identity, properties)
    line |= {"value": total(basket), "items": items_of(basket)} | (
        {"context": {"channel_id": channel}} if channel else {}
    )
    day.add(line, arrives_at=at, occurred_at=at)
    return checkout


def order_once(
    day: Day, identity: dict[str, str], basket: Basket, *, at: int, source: str = ORDERS, checkout: str = ""
) -> None:
    """An order that is reported once, by the order system that has it."""
    words = {"order_id": f"O{day.number():05d}"} | ({"checkout_id": checkout} if checkout else {})
    report(day, "commerce.order.placed.v1", identity, basket, words, at=at, source=source)


def report(
    day: Day,
    type_: str,
    identity: dict[str, str],
    basket: Basket,
    words: dict[str, str],
    *,
    at: int,
    source: str = ORDERS,
) -> None:
    """Something about an order, which is known at the next sync only."""
    line = event(day, type_, source, identity, words) | {"value": total(basket), "items": items_of(basket)}
    day.add(line, arrives_at=-(-at // SYNC) * SYNC, occurred_at=at)


def event(day: Day, type_: str, source: str, identity: dict[str, str], properties: dict[str, Any]) -> dict[str, Any]:
    """A line without its time."""
    return {
        "specversion": "1.0",
        "id": f"event-{day.number():06d}",
        "source": source,
        "type": type_,
        "tenant": TENANT,
        "identity": identity,
        "properties": properties,
    }


def total(basket: Basket) -> dict[str, str]:
    """What it costs."""
    cents = sum(int(price.replace(".", "")) for _, _, price in basket)
    return {"amount": f"{cents // 100}.{cents % 100:02d}", "currency": "USD"}


def items_of(basket: Basket) -> list[dict[str, Any]]:
    """The things in it, as events name them."""
    return [
        {
            "product_id": sku,
            "name": name,
            "categories": CATEGORIES.get(sku, ["home"]),
            "quantity": "1",
            "unit_price": {"amount": price, "currency": "USD"},
        }
        for sku, name, price in basket
    ]
