"""The sample shop: one seeded day of shopping and the year after it, as lines for `cartwheel feed` and `replay`.

It has the habits that real clickstreams show: most visitors stay anonymous and look at a few products; orders are
reported two to four times, milliseconds apart, and only the first copy carries the revenue; the order system hands
its orders over at :00 and :30 only, and says then how far it is complete; some buy elsewhere, some come back too soon.
What is bought on the day is shipped on the next; some of it comes back, and some people buy again in the months after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from schemas.instants import from_wire, to_wire

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SYNC = 30 * MINUTE
TENANT = "sample"
SITE, ORDERS, MARKET = "shop.site", "shop.orders", "market.orders"
DAY_STARTS_AT = from_wire("2026-03-14T08:00:00.000Z")
DAY_ENDS_AT = DAY_STARTS_AT + 14 * HOUR
#: After the day the order system says how far it is every two hours as long as flows hold for two, then once a day.
TWO_WEEKS_END_AT = DAY_STARTS_AT + 14 * DAY
YEAR_ENDS_AT = DAY_STARTS_AT + 350 * DAY

PRODUCTS = (
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
FIRST_NAMES = ("Ada", "Ben", "Chloe", "Dev", "Elif", "Finn", "Grace", "Hugo", "Ines", "Jonas", "Kira", "Omar", "Priya")
LAST_NAMES = ("Abel", "Brandt", "Costa", "Dunn", "Evans", "Fox", "Garcia", "Haas", "Ito", "Jensen", "Kim", "Park")

#: What becomes of a checkout, and how often of a hundred.
FATES = (
    ("leaves", 38),
    ("buys", 34),
    ("buys_elsewhere", 8),
    ("buys_at_last_minute", 10),  # the order is known to the shop only after the reminder is due
    ("starts_again", 10),
)


@dataclass
class _Day:
    random: Random
    lines: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    serial: int = 0

    def add(self, line: dict[str, Any], *, arrives_at: int, occurred_at: int | None = None) -> None:
        if occurred_at is not None:
            line["time"] = to_wire(occurred_at)
        if occurred_at != arrives_at:
            line["arrived_at"] = to_wire(arrives_at)
        self.lines.append((arrives_at, len(self.lines), line))

    def number(self) -> int:
        self.serial += 1
        return self.serial


def sample_day(*, seed: int, visitors: int = 900) -> Iterator[dict[str, Any]]:
    """The lines of the day and the year in order of arrival. The same seed gives the same day, everywhere."""
    day = _Day(Random(seed))
    for number in range(visitors):
        _visit(day, _identity(day.random, number), at=DAY_STARTS_AT + int(day.random.random() * 12 * HOUR))
    evening = DAY_ENDS_AT + 4 * HOUR
    often = (*range(DAY_STARTS_AT, evening, SYNC), *range(evening, TWO_WEEKS_END_AT, 2 * HOUR))
    for sync_at in (*often, *range(TWO_WEEKS_END_AT + 4 * HOUR, YEAR_ENDS_AT, DAY)):
        mark = {"source": ORDERS, "tenant": TENANT, "complete_through": to_wire(sync_at)}
        day.lines.append((sync_at, 1 << 60, {"watermark": mark, "arrived_at": to_wire(sync_at)}))
    day.lines.sort(key=lambda line: line[:2])
    return (line for _, _, line in day.lines)


def _identity(random: Random, number: int) -> dict[str, str]:
    if random.random() < 0.6:
        return {"anonymous_id": f"browser-{number:04d}"}
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    return {"external_id": f"customer-{number:04d}", "email": f"{first}.{last}.{number}@example.com".lower()}


def _visit(day: _Day, identity: dict[str, str], *, at: int) -> None:
    random = day.random
    if "email" in identity:
        _introduce(day, identity, at=at)
    basket = random.sample(PRODUCTS, k=1 + int(random.random() * 3))
    for product in basket:
        _product_event(day, "commerce.product.viewed.v1", identity, product, at=at)
        at += int((0.3 + random.random() * 3) * MINUTE)
    if random.random() < 0.45:
        return
    for product in basket[: 1 + int(random.random() * 2)]:
        _product_event(day, "commerce.cart.item_added.v1", identity, product, at=at)
        at += int((0.2 + random.random()) * MINUTE)
    if random.random() < 0.75:
        _check_out(day, identity, basket, at=at)


def _introduce(day: _Day, identity: dict[str, str], *, at: int) -> None:
    """Some join the newsletter, and some say when their birthday is, here always one of the coming months."""
    random, first_name = day.random, identity["email"].partition(".")[0].capitalize()
    if random.random() < 0.2:
        line = _event(day, "list.subscribed.v1", SITE, identity, {"list_id": "newsletter"})
        day.add(line, arrives_at=at, occurred_at=at)
    if random.random() < 0.2:
        year, month, number = (least + int(random.random() * many) for least, many in ((1960, 45), (4, 5), (1, 28)))
        properties = {"birthday": f"{year}-{month:02}-{number:02}", "first_name": first_name}
        day.add(_event(day, "profile.updated.v1", SITE, identity, properties), arrives_at=at, occurred_at=at)


def _check_out(day: _Day, identity: dict[str, str], basket: list[tuple[str, str, str]], *, at: int) -> None:
    fate = _fate(day.random)
    checkout = _checkout_event(day, identity, basket, at=at)
    if fate == "buys":
        _order(day, identity, basket, at=at + int((2 + day.random.random() * 25) * MINUTE), checkout=checkout)
    elif fate == "buys_elsewhere":
        _order(day, identity, basket, at=at + int((5 + day.random.random() * 40) * MINUTE), checkout=None)
    elif fate == "buys_at_last_minute":
        late = HOUR - int(day.random.random() * 5 * MINUTE) - 1
        _order(day, identity, basket, at=at + late, checkout=checkout)
    elif fate == "starts_again":
        again = at + int((3 + day.random.random() * 4) * HOUR)
        if again < DAY_ENDS_AT:
            _checkout_event(day, identity, basket, at=again)


def _fate(random: Random) -> str:
    drawn = random.random() * sum(weight for _, weight in FATES)
    for fate, weight in FATES:
        drawn -= weight
        if drawn < 0:
            return fate
    return FATES[0][0]


def _product_event(day: _Day, type_: str, identity: dict[str, str], product: tuple[str, str, str], *, at: int) -> None:
    sku, name, price = product
    properties = {
        "product_id": sku,
        "name": name,
        "price": {"amount": price, "currency": "USD"},
        "categories": CATEGORIES.get(sku, ["home"]),
        "url": f"https://shop.example/p/{sku.lower()}",
    }
    day.add(_event(day, type_, SITE, identity, properties), arrives_at=at, occurred_at=at)


def _checkout_event(day: _Day, identity: dict[str, str], basket: list[tuple[str, str, str]], *, at: int) -> str:
    checkout = f"C{day.number():05d}"
    properties = {"checkout_id": checkout, "checkout_url": f"https://shop.example/checkout/{checkout.lower()}"}
    line = _event(day, "commerce.checkout.started.v1", SITE, identity, properties)
    line |= {"value": _total(basket), "items": _items(basket)}
    day.add(line, arrives_at=at, occurred_at=at)
    return checkout


def _order(
    day: _Day, identity: dict[str, str], basket: list[tuple[str, str, str]], *, at: int, checkout: str | None
) -> None:
    order = f"O{day.number():05d}"
    source = MARKET if checkout is None else ORDERS
    properties = {"order_id": order} | ({} if checkout is None else {"checkout_id": checkout})
    copies = 4 if day.random.random() < 0.05 else 2 + int(day.random.random() * 2)
    for copy in range(copies):
        occurred_at = at + copy * (1 + int(day.random.random() * 60))
        line = _event(day, "commerce.order.placed.v1", source, identity, properties)
        line["dedupe_key"] = f"order:{order}"
        if copy == 0:
            line |= {"value": _total(basket), "items": _items(basket)}
        arrives_at = occurred_at if checkout is None else -(-occurred_at // SYNC) * SYNC
        day.add(line, arrives_at=arrives_at, occurred_at=occurred_at)
    if checkout is not None:
        _afterwards(day, identity, basket, order=order, at=at)


def _afterwards(
    day: _Day, identity: dict[str, str], basket: list[tuple[str, str, str]], *, order: str, at: int
) -> None:
    """What becomes of an order in the months after it, as the order system reports it."""
    random = day.random
    shipped_at = at + int((18 + random.random() * 12) * HOUR)
    _report(day, "commerce.order.fulfilled.v1", identity, basket, order=order, at=shipped_at)
    fate = random.random()
    if fate < 0.1:
        back_at = shipped_at + int((2 + random.random() * 3) * DAY)
        _report(day, "commerce.order.refunded.v1", identity, basket, order=order, at=back_at)
    elif fate < 0.35:
        again_at = shipped_at + int((3 + random.random() * 150) * DAY)
        again = random.sample(PRODUCTS, k=1)
        _report(day, "commerce.order.placed.v1", identity, again, order=f"O{day.number():05d}", at=again_at)


def _report(
    day: _Day, type_: str, identity: dict[str, str], basket: list[tuple[str, str, str]], *, order: str, at: int
) -> None:
    line = _event(day, type_, ORDERS, identity, {"order_id": order})
    line |= {"value": _total(basket), "items": _items(basket)}
    day.add(line, arrives_at=-(-at // SYNC) * SYNC, occurred_at=at)


def _event(day: _Day, type_: str, source: str, identity: dict[str, str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"event-{day.number():06d}",
        "source": source,
        "type": type_,
        "tenant": TENANT,
        "identity": identity,
        "properties": properties,
    }


def _total(basket: list[tuple[str, str, str]]) -> dict[str, str]:
    cents = sum(int(price.replace(".", "")) for _, _, price in basket)
    return {"amount": f"{cents // 100}.{cents % 100:02d}", "currency": "USD"}


def _items(basket: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
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
