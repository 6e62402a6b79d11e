"""`send`: one message, with what may hold it back."""

from __future__ import annotations

from typing import Literal

from schemas.limits import MAX_LATENESS_MS_DEFAULT
from schemas.steps import LatePolicy, Send, Step
from streams.flowfile.nodes import Node
from streams.flowfile.step_kinds import settle
from streams.flowfile.steps import Place, Steps

PRIORITY_DEFAULT = 5

_CHANNELS = ("email", "log")
_LATER_CHANNELS = frozenset({"sms", "push", "whatsapp", "webhook", "on_site"})
_CLASSES: tuple[Literal["marketing", "transactional"], ...] = ("marketing", "transactional")
_WHEN_LATE: tuple[LatePolicy, ...] = ("reevaluate", "skip")
_LATER_WHEN_LATE = frozenset({"send"})  # it is the same as `reevaluate` until there is more to judge again
_LATER_SEND = frozenset({
    "window", "cap", "quiet_hours", "fresh", "not_after", "recall", "storefront", "variables",
    "experiment", "filter", "allocate", "consent", "suppression",
})  # fmt: skip


def read(steps: Steps, body: Node, place: Place) -> None:
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
        settle.read(steps, found["settle"], place._replace(label=f"{place.label}:settle", after=own.slot))

    def build(after: int) -> Step:
        return Send(
            label=place.label, template=template, channel=channel, message_class=message_class, priority=priority,
            own_gate="settle" in found, max_lateness_ms=max_lateness_ms, when_late=when_late, next=after,
        )  # fmt: skip

    steps.add(own, (own.after,), build)
