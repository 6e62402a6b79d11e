"""The kinds of steps, one function each: how `wait`, `settle`, `if`, `route`, `send` and `stop` are read."""

from __future__ import annotations

from typing import Literal

from schemas.flow import Gate, If, Route, Send, Settle, Step, Stop, Wait
from schemas.limits import MAX_LATENESS_MS_DEFAULT
from streams.flowfile.conditions import condition, trigger_word
from streams.flowfile.nodes import Mapping, Node, Scalar, cut, shown
from streams.flowfile.reader import Reader
from streams.flowfile.steps import Kind, Place, Steps, Target

SETTLE_HOLD_MS_DEFAULT = 2 * 3_600_000
PRIORITY_DEFAULT = 5

_CHANNELS = ("email", "log")
_LATER_CHANNELS = frozenset({"sms", "push", "whatsapp", "webhook", "on_site"})
_CLASSES: tuple[Literal["marketing", "transactional"], ...] = ("marketing", "transactional")
_TIMEOUTS: tuple[Literal["skip", "send"], ...] = ("skip", "send")
_WHEN_LATE: tuple[Literal["reevaluate", "skip"], ...] = ("reevaluate", "skip")
_LATER_WHEN_LATE = frozenset({"send"})  # it is the same as `reevaluate` until there is more to judge again
_LATER_WAIT = frozenset({"until", "until_date", "local", "window"})
_LATER_SEND = frozenset({
    "window", "cap", "quiet_hours", "fresh", "not_after", "recall", "storefront", "variables",
    "experiment", "filter", "allocate", "consent", "suppression",
})  # fmt: skip


def _wait(steps: Steps, body: Node, place: Place) -> None:
    """`wait: { for: 15m }`"""
    found = steps.reader.fields(body, "`wait`", required=("for",), later=_LATER_WAIT)
    duration_ms = steps.reader.duration(found.get("for"), "`for`")
    steps.add(place, (place.after,), lambda after: Wait(label=place.label, duration_ms=duration_ms, next=after))


def _settle(steps: Steps, body: Node, place: Place) -> None:
    """`settle: { sources: [shop.orders], max_hold: 2h, on_timeout: skip }`"""
    reader = steps.reader
    found = reader.fields(body, "`settle`", required=("sources",), optional=("max_hold", "on_timeout"))
    gates = tuple(_gate(reader, source) for source in reader.items(found.get("sources"), "`sources`"))
    max_hold_ms = reader.duration(found.get("max_hold"), "`max_hold`", default_ms=SETTLE_HOLD_MS_DEFAULT)
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


def _if(steps: Steps, body: Node, place: Place) -> None:
    """`if: { condition: { trigger.total: ... }, then: big_cart, otherwise: { stop: too_small } }`"""
    found = steps.reader.fields(body, "`if`", required=("condition", "then"), optional=("otherwise",))
    judged = condition(steps.reader, found.get("condition"), "`condition`", steps.scope)

    def build(then: int, otherwise: int) -> Step:
        return If(label=place.label, condition=judged, then=then, otherwise=otherwise)

    ways: list[Target] = []
    steps.add(place, ways, build)  # First its place, then what its ways bring along.
    ways.append(steps.target(found.get("then"), "`then`", after=place.after))
    ways.append(steps.target(found.get("otherwise"), "`otherwise`", after=place.after))


def _route(steps: Steps, body: Node, place: Place) -> None:
    """`route: { by: trigger.channel_id, cases: { 2: store_two }, otherwise: { stop: no_branch_matched } }`"""
    reader = steps.reader
    found = reader.fields(body, "`route`", required=("by", "cases", "otherwise"))
    by = trigger_word(reader, found.get("by"), "`by`", steps.scope, kind="text")
    cases = _cases(reader, found.get("cases"))

    def build(*ways: int) -> Step:
        by_text = {text: way for (text, _), way in zip(cases, ways, strict=False)}
        return Route(label=place.label, by=by, cases=by_text, otherwise=ways[-1])

    ways: list[Target] = []
    steps.add(place, ways, build)
    ways.extend(steps.target(way, f"case `{cut(text)}`", after=place.after) for text, way in cases)
    ways.append(steps.target(found.get("otherwise"), "`otherwise`", after=place.after))


def _cases(reader: Reader, node: Node | None) -> list[tuple[str, Node]]:
    """The cases by text. A whole number needs no quotes: it is the text as written."""
    if node is None:
        return []
    if not isinstance(node, Mapping) or not node.entries:
        reader.note("wrong_shape", node, f'`cases` must be a mapping such as {{ "2": store_two }}, not {shown(node)}')
        return []
    for key, _ in node.entries.values():
        if not (key.kind == "number" and key.text.isdigit()):
            reader.text(key, "a case")
    return [(text, way) for text, (_, way) in node.entries.items()]


def _send(steps: Steps, body: Node, place: Place) -> None:
    """`send: { template: cart, channel: email, class: marketing }`; `settle` inside it is a step before it."""
    reader = steps.reader
    optional = ("class", "priority", "settle", "max_lateness", "when_late")
    found = reader.fields(body, "`send`", required=("template", "channel"), optional=optional, later=_LATER_SEND)
    template = reader.name(found.get("template"), "`template`")
    channel = reader.choice(found.get("channel"), "`channel`", _CHANNELS, later=_LATER_CHANNELS)
    message_class = reader.choice(found.get("class"), "`class`", _CLASSES)
    priority = reader.integer(found.get("priority"), "`priority`", least=0, most=9, default=PRIORITY_DEFAULT)
    max_lateness_ms = reader.duration(found.get("max_lateness"), "`max_lateness`", default_ms=MAX_LATENESS_MS_DEFAULT)
    when_late = reader.choice(found.get("when_late"), "`when_late`", _WHEN_LATE, later=_LATER_WHEN_LATE)
    own = place
    if "settle" in found:
        own = place._replace(slot=steps.slot())
        _settle(steps, found["settle"], place._replace(label=f"{place.label}:settle", after=own.slot))

    def build(after: int) -> Step:
        return Send(
            label=place.label, template=template, channel=channel, message_class=message_class, priority=priority,
            own_gate="settle" in found, max_lateness_ms=max_lateness_ms, when_late=when_late, next=after,
        )  # fmt: skip

    steps.add(own, (own.after,), build)


def _stop(steps: Steps, body: Node, place: Place) -> None:
    """`stop: done`; what stands below it is reached by a label only."""
    reason = steps.reader.name(body, "the reason of `stop`")
    steps.add(place, (), lambda: Stop(label=place.label, reason=reason))


KINDS: dict[str, Kind] = {
    "wait": _wait,
    "settle": _settle,
    "if": _if,
    "route": _route,
    "send": _send,
    "stop": _stop,
}
