"""`settle`: which sources must be complete, and for how long to wait for them."""

from __future__ import annotations

from typing import Literal

from schemas.steps import Gate, Settle, Step
from streams.flowfile.nodes import Node, Scalar
from streams.flowfile.reader import Reader
from streams.flowfile.steps import Place, Steps

HOLD_MS_DEFAULT = 2 * 3_600_000
_TIMEOUTS: tuple[Literal["skip", "send"], ...] = ("skip", "send")


def read(steps: Steps, body: Node, place: Place) -> None:
    """`settle: { sources: [shop.orders], max_hold: 2h, on_timeout: skip }`"""
    reader = steps.reader
    found = reader.fields(body, "`settle`", required=("sources",), optional=("max_hold", "on_timeout"))
    gates = tuple(_gate(reader, source) for source in reader.items(found.get("sources"), "`sources`"))
    max_hold_ms = reader.duration(found.get("max_hold"), "`max_hold`", default_ms=HOLD_MS_DEFAULT)
    on_timeout = reader.choice(found.get("on_timeout"), "`on_timeout`", _TIMEOUTS)

    def build(after: int) -> Step:
        return Settle(label=place.label, gates=gates, max_hold_ms=max_hold_ms, on_timeout=on_timeout, next=after)

    steps.add(place, (place.after,), build)


def _gate(reader: Reader, node: Node) -> Gate:
    if isinstance(node, Scalar):
        return Gate(source=reader.source(node, "a source"))
    found = reader.fields(node, "a source", required=("source", "shop"))
    source = reader.source(found["source"], "`source`") if "source" in found else ""
    return Gate(source=source, shop=reader.text(found.get("shop"), "`shop`"))
