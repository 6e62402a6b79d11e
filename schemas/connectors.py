"""Connectors: what the sources that we know promise, as far as their documentation says it.

How late they report, and which declared words their events do not carry. The linter of flow files asks; a folder's
policy file says the same of sources of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

_MINUTE_MS = 60_000


class Lag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A source reports what happened up to `lag_ms` later; `margin_ms` is what its sync may be late by."""

    lag_ms: int
    margin_ms: int = 0
    events: frozenset[str] = frozenset()  # short names of those that wait for the sync; empty: all

    @property
    def safe_ms(self) -> int:
        """After so long we know what happened."""
        return self.lag_ms + self.margin_ms


class Connector(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one kind of source promises."""

    lag: Lag | None = None
    silent: frozenset[str] = frozenset()  # short names of events that it never reports
    lacks: Mapping[str, frozenset[str]] = {}  # by short name of an event: the words that it never carries


_SYNCED = frozenset({
    "checkout_started", "order_placed", "order_item_ordered", "order_fulfilled", "order_canceled", "order_refunded",
})  # fmt: skip
_CHANNEL = frozenset({"channel_id"})
#: The first thing that some tell of a cart is the checkout that was begun with it.
_CARTS = frozenset({"cart_item_added", "cart_item_removed", "cart_updated"})

#: By the first word of the source: `magento1` speaks for `magento1/default` and `magento1.orders` too.
CONNECTORS: dict[str, Connector] = {
    "magento1": Connector(lag=Lag(lag_ms=30 * _MINUTE_MS, margin_ms=15 * _MINUTE_MS, events=_SYNCED), silent=_CARTS),
    # Its six order events tell the storefront; on-site tracking and forms do not know it.
    "bigcommerce": Connector(
        silent=_CARTS,
        lacks=dict.fromkeys(("product_viewed", "site_active", "list_subscribed", "list_unsubscribed"), _CHANNEL),
    ),
    # Orders come with a sync every half hour; carts and views within minutes.
    "magento2": Connector(lag=Lag(lag_ms=30 * _MINUTE_MS, margin_ms=15 * _MINUTE_MS, events=_SYNCED)),
    "prestashop": Connector(lag=Lag(lag_ms=30 * _MINUTE_MS, margin_ms=15 * _MINUTE_MS, events=_SYNCED)),
    "shopify": Connector(),
    "woocommerce": Connector(),
}

LAGS: dict[str, Lag] = {name: connector.lag for name, connector in CONNECTORS.items() if connector.lag is not None}


def covers(name: str, source: str) -> bool:
    """Whether a name stands for a source: itself, or what stands above it, split at `/` and `.`."""
    return source == name or (source.startswith(name) and source[len(name)] in "/.")


def unreported(source: str) -> frozenset[str]:
    """The events, by short name, that this source never reports."""
    found = (each.silent for name, each in CONNECTORS.items() if covers(name, source))
    return next(found, frozenset())


def covering(source: str) -> Iterator[str]:
    """Every name that covers a source."""
    return (source[:end] for end in range(1, len(source) + 1) if end == len(source) or source[end] in "/.")


def lacking(source: str, event: str) -> frozenset[str]:
    """The declared words that events of this type from this source never carry."""
    found = (each.lacks.get(event, frozenset()) for name, each in CONNECTORS.items() if covers(name, source))
    return next(found, frozenset())
