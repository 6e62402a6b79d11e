"""The catalog: every canonical event type, its short name, and the words that flow files may use of it.

A word has a path in the envelope and a kind. Ids are text, always. `custom.*` types are accepted; they have the common
words, and those that a flow file declares of them, which stand in `properties`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: A date is text such as 2026-11-21; of a list, each part is text.
Kind = Literal["text", "number", "money", "boolean", "instant", "date", "list"]


@dataclass(frozen=True, slots=True)
class Word:
    """One declared word of an event type: where it stands in the envelope, and its kind."""

    path: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class EventType:
    """A canonical event type."""

    name: str
    short: str
    words: dict[str, Word]


def _text(*names: str) -> dict[str, Word]:
    return {name: Word(("properties", name), "text") for name in names}


_COMMON = {
    "channel_id": Word(("context", "channel_id"), "text"),
    "store": Word(("context", "store"), "text"),
    "locale": Word(("context", "locale"), "text"),
    "campaign": Word(("context", "campaign"), "text"),
    "subject": Word(("subject",), "text"),
}
_TOTAL = {"total": Word(("value",), "money")}
_ITEMS = {"items": Word(("items",), "list")}
_PRODUCT = _text("product_id", "variant_id", "sku", "name", "brand", "url", "image_url") | {
    "categories": Word(("properties", "categories"), "list"),
    "price": Word(("properties", "price"), "money"),
    "quantity": Word(("properties", "quantity"), "number"),
}
_ORDER = _text("order_id", "checkout_id", "cart_id", "coupon") | _TOTAL | _ITEMS
_CHECKOUT = _text("checkout_id", "cart_id", "checkout_url", "coupon") | _TOTAL | _ITEMS
_CART = _text("cart_id", "checkout_id", "cart_url") | _TOTAL | _ITEMS
#: Of an event that says who somebody is. They are the facts of `schemas.facts`, which any other member may be, too.
_PERSON = _text("timezone", "country", "region", "city", "first_name", "last_name", "language", "gender") | {
    "locale": Word(("properties", "locale"), "text"),
    "birthday": Word(("properties", "birthday"), "date"),
    "accepts_marketing": Word(("properties", "accepts_marketing"), "boolean"),
}


def _declare(*rows: tuple[str, dict[str, Word]]) -> dict[str, EventType]:
    types: dict[str, EventType] = {}
    for stem, words in rows:
        short = stem.removeprefix("commerce.").replace(".", "_")
        name = f"{stem}.v1"
        types[name] = EventType(name=name, short=short, words=_COMMON | words)
    return types


TYPES: dict[str, EventType] = _declare(
    ("commerce.product.viewed", _PRODUCT),
    ("commerce.cart.item_added", _CART | _PRODUCT),
    ("commerce.cart.item_removed", _CART | _PRODUCT),
    ("commerce.cart.updated", _CART),
    ("commerce.checkout.started", _CHECKOUT),
    ("commerce.order.placed", _ORDER),
    ("commerce.order.item_ordered", _ORDER | _PRODUCT | _text("line_id")),
    ("commerce.order.fulfilled", _ORDER),
    ("commerce.order.partially_fulfilled", _ORDER),
    ("commerce.order.canceled", _ORDER | _text("reason")),
    ("commerce.order.refunded", _ORDER | _text("refund_id", "reason")),
    ("commerce.payment.canceled", _ORDER | _text("reason")),
    ("site.active", _text("page", "url")),
    ("list.subscribed", _text("list_id")),
    ("list.unsubscribed", _text("list_id")),
    ("profile.identified", _PERSON),
    ("profile.updated", _PERSON),
    ("consent.changed", _text("channel", "storefront", "status", "wording")),
    ("message.reported", _text("command_id", "outcome", "reason", "channel")),
    ("message.clicked", _text("command_id", "flow", "step", "url")),
    ("api.call", _text("name")),
    ("referral.published", _text("code")),
    ("referral.redeemed", _text("code")),
    ("referral.rewarded", _text("code")),
    ("referral.rolled_back", _text("code")),
    ("coupon.issued", _text("code")),
    ("coupon.updated", _text("code")),
    ("coupon.deleted", _text("code")),
)
BY_SHORT: dict[str, EventType] = {entry.short: entry for entry in TYPES.values()}

#: The words of one element of `items`: of an order, a checkout or a cart. Prices are decimal text in the currency of
#: the event, as every platform writes them, and so compare as numbers.
ITEM_WORDS: dict[str, Kind] = {
    "product_id": "text", "variant_id": "text", "sku": "text", "name": "text", "brand": "text", "line_id": "text",
    "categories": "list", "quantity": "number", "unit_price": "number", "price": "number",
}  # fmt: skip


def is_known_type(name: str) -> bool:
    """True for a catalog type and for any `custom.*` type."""
    return name in TYPES or (name.startswith("custom.") and len(name) > len("custom."))


def short_name(name: str) -> str:
    """The name that flow files and metrics use for a type."""
    known = TYPES.get(name)
    return known.short if known else name.replace(".", "_")


def words_of(short: str) -> dict[str, Word]:
    """The declared words of a type given by its short name."""
    known = BY_SHORT.get(short)
    return known.words if known else _COMMON
