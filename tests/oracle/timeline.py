"""Words for small timelines: one flow on checkouts, and the few records that may happen to it on one day."""

from __future__ import annotations

import json
from typing import Any

from tests.oracle.flowfile import Flow, load_flow
from tests.oracle.records import instant, wire
from tests.oracle.replay import LogRecord, Result

Raw = dict[str, Any]

CHECKOUT = "commerce.checkout.started.v1"
ORDER = "commerce.order.placed.v1"
SEND = {"template": "reminder", "channel": "log", "class": "marketing"}
REMIND = {"label": "remind", "send": SEND}
BOUGHT = {"when": {"event": "order_placed"}, "reason": "bought"}
BOUGHT_THIS = {
    "when": {"event": "order_placed", "match": {"checkout_id": "trigger.checkout_id"}},
    "reason": "bought_this",
}
GATE = {"sources": ["shop.orders"], "max_hold": "2h", "on_timeout": "skip"}


def flow(*steps: Raw, entry: Raw | None = None, **top: Any) -> Flow:
    """A flow on checkouts, by default: wait an hour, remind, without skew."""
    raw = {
        "flow": "reminder",
        "entry": {"trigger": {"event": "checkout_started"}} | (entry or {}),
        "exit": [BOUGHT],
        "skew": "0s",
        "steps": list(steps) or [{"wait": {"for": "1h"}}, REMIND, {"stop": "done"}],
    }
    return load_flow(json.dumps(raw | top))


def at(clock: str) -> str:
    """`10:00` or `10:00:00.001` on the day of the timeline."""
    return f"2025-06-02T{clock if clock.count(':') == 2 else clock + ':00'}Z"


def event(kind: str, clock: str, *, arrives: str | None = None, key: str | None = None, **more: Any) -> Raw:
    """An event of p1; without a key it is unlike all others."""
    record = {"type": kind, "time": at(clock), "id": key or f"{kind}@{clock}", "source": "shop.site", "tenant": "shop"}
    record |= {"identity": {"external_id": "p1"}} | more
    return record | ({"arrived_at": at(arrives)} if arrives else {})


def checkout(clock: str, checkout_id: str = "C1", **more: Any) -> Raw:
    """A checkout."""
    return event(CHECKOUT, clock, **({"properties": {"checkout_id": checkout_id}} | more))


def order(clock: str, checkout_id: str | None = None, **more: Any) -> Raw:
    """An order."""
    return event(ORDER, clock, **({"properties": {"checkout_id": checkout_id}} | more))


def complete(clock: str, *, arrives: str | None = None, source: str = "shop.orders", **more: str) -> Raw:
    """A watermark, by default arriving at the instant it speaks of."""
    return {"watermark": {"source": source, "complete_through": at(clock)} | more, "arrived_at": at(arrives or clock)}


def live(*records: tuple[str, Raw]) -> list[LogRecord]:
    """Records with their append times; a record with `through` is a tick, and offsets count up."""
    kinds = ["tick" if "through" in record else "event" for _, record in records]
    return [(n, instant(at(clock)), kinds[n], record) for n, (clock, record) in enumerate(records)]


def tick(through: str, *marks: Raw, through_key: str | None = None) -> Raw:
    """A tick up to this time, with what some watermark lines say."""
    return {"through": at(through), "through_key": through_key, "watermarks": [mark["watermark"] for mark in marks]}


def decided(result: Result) -> list[tuple[str, str]]:
    """Step and clock time of every command."""
    return [(command.step, wire(command.decided_at)[11:-1]) for command in result.commands]


def counts(result: Result) -> Raw:
    """The counts of the only flow, without the zeros."""
    (only,) = result.summary()["flows"].values()
    return {name: count for name, count in only.items() if count}


def sent(count: int = 1, **more: Any) -> Raw:
    """Counts of as many enrollments that were each reminded and ended `done`."""
    return {"entered": count, "ended": {"done": count}, "sent": count} | more


def ended(reason: str, **more: Any) -> Raw:
    """Counts of one enrollment that ended for this reason."""
    return {"entered": 1, "ended": {reason: 1}} | more
