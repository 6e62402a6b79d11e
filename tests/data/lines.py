"""Lines for `cartwheel replay`: canonical events and source watermarks, in order of arrival.

Orders either arrive when they happen, or, as from a shop that is asked twice an hour, at the next full or half hour,
each such sync followed by a watermark that says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

SYNC_MS = 30 * 60_000
SYNCS_AFTER_THE_LAST_HIT = 12
TENANT = "shop"
SITE = "shop.site"
ORDERS = "shop.orders"
ORDER_PLACED = "commerce.order.placed.v1"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Hit(NamedTuple):
    """One hit of a clickstream that acts on the shop. ``order_id`` is empty except for orders; money in USD."""

    occurred_at: int
    visitor: str
    visit: str
    number: int
    type: str
    properties: dict[str, Any]
    order_id: str = ""
    revenue: str | None = None


def lines(hits: Iterable[Hit], *, synced: bool) -> list[str]:
    """The lines of a clickstream. ``synced``: orders wait for the next sync, and watermarks are given."""
    ordered = sorted(hits, key=lambda hit: (hit.occurred_at, hit.visitor, hit.visit, hit.number))
    arrivals = [(_arrival(hit, synced=synced), 0, _event(hit, synced=synced)) for hit in ordered]
    if synced:
        first, last = next_sync(ordered[0].occurred_at), next_sync(ordered[-1].occurred_at)
        end = last + SYNCS_AFTER_THE_LAST_HIT * SYNC_MS
        arrivals += [(at, 1, _watermark(at)) for at in range(first, end + 1, SYNC_MS)]
    arrivals.sort(key=lambda arrival: arrival[:2])
    return [json.dumps(record, separators=(",", ":"), ensure_ascii=False) for _, _, record in arrivals]


def next_sync(moment: int) -> int:
    """The first full or half hour at or after a moment."""
    return -(-moment // SYNC_MS) * SYNC_MS


def wire(moment: int) -> str:
    """RFC 3339 with ``Z`` and milliseconds."""
    text = (EPOCH + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _arrival(hit: Hit, *, synced: bool) -> int:
    return next_sync(hit.occurred_at) if synced and hit.type == ORDER_PLACED else hit.occurred_at


def _event(hit: Hit, *, synced: bool) -> dict[str, Any]:
    is_order = hit.type == ORDER_PLACED
    record: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{hit.visitor}:{hit.visit}:{hit.number}",
        "source": ORDERS if is_order else SITE,
        "type": hit.type,
        "time": wire(hit.occurred_at),
        "tenant": TENANT,
        "dedupe_key": f"order:{hit.order_id}" if is_order else f"hit:{hit.visit}:{hit.number}",
        "identity": {"external_id": hit.visitor},
        "properties": hit.properties,
    }
    if hit.revenue is not None:
        record["value"] = {"amount": hit.revenue, "currency": "USD"}
    if synced and is_order:
        record["arrived_at"] = wire(_arrival(hit, synced=synced))
    return record


def _watermark(at: int) -> dict[str, Any]:
    promise = {"source": ORDERS, "complete_through": wire(at), "tenant": TENANT}
    return {"watermark": promise, "arrived_at": wire(at)}
