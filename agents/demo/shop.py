"""The sample shop: one seeded day of shopping and the year after it, as lines for `cartwheel feed` and `replay`.

It has the habits that real clickstreams show: most visitors stay anonymous and look at a few products; orders are
reported two to four times, milliseconds apart, and only the first copy carries the revenue; the order system hands
its orders over at :00 and :30 only, and says then how far it is complete; some buy elsewhere, some come back too soon.
What is bought on the day is shipped on the next; some of it comes back, and some people buy again in the months after.

Beside it stand two smaller shops, with customers of their own: one of several storefronts, and one that also sells with
Buy with Prime. So no two recipes write to anybody about the same thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from agents.demo.reports import (
    DAY,
    HOUR,
    MARKET,
    MINUTE,
    ORDERS,
    PRODUCTS,
    SITE,
    SYNC,
    TENANT,
    Basket,
    Day,
    checkout_event,
    event,
    items_of,
    order_once,
    product_event,
    report,
    total,
)
from schemas.instants import from_wire, to_wire

STORES, OUTLET, PRIME = "stores", "outlet", "prime"
DAY_STARTS_AT = from_wire("2026-03-14T08:00:00.000Z")
DAY_ENDS_AT = DAY_STARTS_AT + 14 * HOUR
#: After the day the order system of the shop says how far it is every two hours as long as flows hold for two, then
#: once a day.
TWO_WEEKS_END_AT = DAY_STARTS_AT + 14 * DAY
YEAR_ENDS_AT = DAY_STARTS_AT + 350 * DAY

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
#: What somebody does in the shop that also sells with Prime: where each checkout is, and where the order is, if any.
OUTLET_WAYS = (
    ((), ""),
    ((OUTLET,), ""),
    ((PRIME,), ""),
    ((OUTLET, PRIME), ""),
    ((PRIME, OUTLET), ""),
    ((OUTLET,), OUTLET),
    ((OUTLET,), PRIME),
    ((PRIME,), PRIME),
    ((PRIME,), OUTLET),
)


def sample_day(*, seed: int, visitors: int = 900) -> Iterator[dict[str, Any]]:
    """The lines of the day and the year in order of arrival. The same seed gives the same day, everywhere."""
    day = Day(Random(seed))
    for number in range(visitors):
        _visit(day, _identity(day.random, number), at=DAY_STARTS_AT + int(day.random.random() * 12 * HOUR))
    for number in range(visitors, visitors + visitors // 6):
        visit = _visit_stores if number % 3 == 0 else _visit_outlet
        visit(day, _customer(day.random, number), at=DAY_STARTS_AT + int(day.random.random() * 12 * HOUR))
    _report_progress(day)
    day.lines.sort(key=lambda line: line[:2])
    return (line for _, _, line in day.lines)


def _report_progress(day: Day) -> None:
    """How far each order system is, as often as there are flows that wait for it."""
    evening = DAY_ENDS_AT + 4 * HOUR
    on_the_day = range(DAY_STARTS_AT, evening, SYNC)
    half_a_year_later = range(DAY_STARTS_AT + 180 * DAY + 4 * HOUR, DAY_STARTS_AT + 210 * DAY, DAY)
    syncs = {
        ORDERS: (
            *on_the_day,
            *range(evening, TWO_WEEKS_END_AT, 2 * HOUR),
            *range(TWO_WEEKS_END_AT + 4 * HOUR, YEAR_ENDS_AT, DAY),
        ),
        f"{STORES}.orders": (*on_the_day,),
        f"{OUTLET}.orders": (*on_the_day, *half_a_year_later),
        f"{PRIME}.orders": (*on_the_day, *half_a_year_later),
    }
    for source, instants in syncs.items():
        for sync_at in instants:
            mark = {"source": source, "tenant": TENANT, "complete_through": to_wire(sync_at)}
            day.lines.append((sync_at, 1 << 60, {"watermark": mark, "arrived_at": to_wire(sync_at)}))


def _identity(random: Random, number: int) -> dict[str, str]:
    if random.random() < 0.6:
        return {"anonymous_id": f"browser-{number:04d}"}
    return _customer(random, number)


def _customer(random: Random, number: int) -> dict[str, str]:
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    return {"external_id": f"customer-{number:04d}", "email": f"{first}.{last}.{number}@example.com".lower()}


def _visit(day: Day, identity: dict[str, str], *, at: int) -> None:
    random = day.random
    if "email" in identity:
        _introduce(day, identity, at=at)
    basket = random.sample(PRODUCTS, k=1 + int(random.random() * 3))
    for product in basket:
        product_event(day, "commerce.product.viewed.v1", identity, product, at=at)
        at += int((0.3 + random.random() * 3) * MINUTE)
    if random.random() < 0.45:
        return
    for product in basket[: 1 + int(random.random() * 2)]:
        product_event(day, "commerce.cart.item_added.v1", identity, product, at=at)
        at += int((0.2 + random.random()) * MINUTE)
    if random.random() < 0.75:
        _check_out(day, identity, basket, at=at)


def _visit_stores(day: Day, identity: dict[str, str], *, at: int) -> None:
    """A checkout in one of three storefronts, of which the flow knows two."""
    basket, channel = day.random.sample(PRODUCTS, k=1), day.random.choice("22339")
    checkout = checkout_event(day, identity, basket, at=at, source=STORES, channel=channel)
    if day.random.random() < 0.3:
        at += int((10 + day.random.random() * 60) * MINUTE)
        order_once(day, identity, basket, at=at, source=f"{STORES}.orders", checkout=checkout)


def _visit_outlet(day: Day, identity: dict[str, str], *, at: int) -> None:
    """Looks at something, and goes one of the ways. Half of those who buy do so again, where they did not before."""
    basket = day.random.sample(PRODUCTS, k=1)
    checkouts, bought_at = day.random.choice(OUTLET_WAYS)
    product_event(day, "commerce.product.viewed.v1", identity, basket[0], at=at, source=OUTLET)
    begun = {}
    for source in checkouts:
        at += int((1 + day.random.random() * 10) * MINUTE)
        begun[source] = checkout_event(day, identity, basket, at=at, source=source)
    if bought_at:
        at += int((5 + day.random.random() * 50) * MINUTE)
        order_once(day, identity, basket, at=at, source=f"{bought_at}.orders", checkout=begun.get(bought_at, ""))
        if day.random.random() < 0.5:
            at += int((3 + day.random.random() * 17) * DAY)
            other = PRIME if bought_at == OUTLET else OUTLET
            order_once(day, identity, basket, at=at, source=f"{other}.orders")


def _introduce(day: Day, identity: dict[str, str], *, at: int) -> None:
    """Some join the newsletter, and some say when their birthday is, here always one of the coming months."""
    random, first_name = day.random, identity["email"].partition(".")[0].capitalize()
    if random.random() < 0.2:
        line = event(day, "list.subscribed.v1", SITE, identity, {"list_id": "newsletter"})
        day.add(line, arrives_at=at, occurred_at=at)
    if random.random() < 0.2:
        year, month, number = (least + int(random.random() * many) for least, many in ((1960, 45), (4, 5), (1, 28)))
        properties = {"birthday": f"{year}-{month:02}-{number:02}", "first_name": first_name}
        day.add(event(day, "profile.updated.v1", SITE, identity, properties), arrives_at=at, occurred_at=at)


def _check_out(day: Day, identity: dict[str, str], basket: Basket, *, at: int) -> None:
    fate = _fate(day.random)
    checkout = checkout_event(day, identity, basket, at=at)
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
            checkout_event(day, identity, basket, at=again)


def _fate(random: Random) -> str:
    drawn = random.random() * sum(weight for _, weight in FATES)
    for fate, weight in FATES:
        drawn -= weight
        if drawn < 0:
            return fate
    return FATES[0][0]


def _order(day: Day, identity: dict[str, str], basket: Basket, *, at: int, checkout: str | None) -> None:
    order = f"O{day.number():05d}"
    source = MARKET if checkout is None else ORDERS
    properties = {"order_id": order} | ({} if checkout is None else {"checkout_id": checkout})
    copies = 4 if day.random.random() < 0.05 else 2 + int(day.random.random() * 2)
    for copy in range(copies):
        occurred_at = at + copy * (1 + int(day.random.random() * 60))
        line = event(day, "commerce.order.placed.v1", source, identity, properties)
        line["dedupe_key"] = f"order:{order}"
        if copy == 0:
            line |= {"value": total(basket), "items": items_of(basket)}
        arrives_at = occurred_at if checkout is None else -(-occurred_at // SYNC) * SYNC
        day.add(line, arrives_at=arrives_at, occurred_at=occurred_at)
    if checkout is not None:
        _afterwards(day, identity, basket, order=order, at=at)


def _afterwards(day: Day, identity: dict[str, str], basket: Basket, *, order: str, at: int) -> None:
    """What becomes of an order in the months after it, as the order system reports it."""
    random = day.random
    shipped_at = at + int((18 + random.random() * 12) * HOUR)
    report(day, "commerce.order.fulfilled.v1", identity, basket, {"order_id": order}, at=shipped_at)
    fate = random.random()
    if fate < 0.1:
        back_at = shipped_at + int((2 + random.random() * 3) * DAY)
        report(day, "commerce.order.refunded.v1", identity, basket, {"order_id": order}, at=back_at)
    elif fate < 0.35:
        again_at = shipped_at + int((3 + random.random() * 150) * DAY)
        order_once(day, identity, random.sample(PRODUCTS, k=1), at=again_at)
