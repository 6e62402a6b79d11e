"""`send`: one message, with what may hold it back."""

from __future__ import annotations

from typing import Any, Literal

from schemas.channels import CHANNELS
from schemas.limits import MARKETING_VALID_MS, MAX_LATENESS_MS_DEFAULT
from schemas.steps import Cap, LatePolicy, Send, Step, Value
from streams.flowfile.nodes import Mapping, Node, cut, shown
from streams.flowfile.predicates import plugin
from streams.flowfile.reader import PluginAsked, Reader
from streams.flowfile.step_kinds import settle
from streams.flowfile.steps import Place, Steps
from streams.flowfile.values import check_fact, storefront, value
from streams.flowfile.windows import window
from streams.plugins import OF_VARIABLES

PRIORITY_DEFAULT = 5
CAP_MAX = 1_000
PLUGINS_MAX = 10  # that one message asks: what they may answer stays below what a record may hold

_LATER_CHANNELS = frozenset({"push", "whatsapp", "webhook", "on_site"})
_CLASSES: tuple[Literal["marketing", "transactional"], ...] = ("marketing", "transactional")
_WHEN_LATE: tuple[LatePolicy, ...] = ("reevaluate", "skip", "send")
_WHEN_CAPPED: tuple[Literal["skip", "defer"], ...] = ("skip", "defer")
_OPTIONAL = (
    "class", "priority", "settle", "max_lateness", "when_late", "storefront", "window", "cap", "fresh", "valid",
    "variables",
)  # fmt: skip
_LATER_SEND = frozenset({"recall", "experiment", "filter", "allocate"})
_RESERVED = frozenset({"trigger"})  # names of variables that are taken


def read(steps: Steps, body: Node, place: Place) -> None:
    """`send: { template: cart, channel: email, class: marketing }`; `settle` inside it is a step before it."""
    reader = steps.reader
    found = reader.fields(body, "`send`", required=("template", "channel"), optional=_OPTIONAL, later=_LATER_SEND)
    template = reader.name(found.get("template"), "`template`")
    channel = reader.choice(found.get("channel"), "`channel`", CHANNELS, later=_LATER_CHANNELS)
    message_class = reader.choice(found.get("class"), "`class`", _CLASSES)
    priority = reader.integer(found.get("priority"), "`priority`", least=0, most=9, default=PRIORITY_DEFAULT)
    max_lateness_ms = reader.duration(found.get("max_lateness"), "`max_lateness`", default_ms=MAX_LATENESS_MS_DEFAULT)
    when_late = reader.choice(found.get("when_late"), "`when_late`", _WHEN_LATE)
    more = _what_may_hold_it(steps, found)
    own = place
    if "settle" in found:
        own = place._replace(slot=steps.slot())
        settle.read(steps, found["settle"], place._replace(label=f"{place.label}:settle", after=own.slot))

    def build(after: int) -> Step:
        return Send(
            label=place.label, template=template, channel=channel, message_class=message_class, priority=priority,
            own_gate="settle" in found, max_lateness_ms=max_lateness_ms, when_late=when_late, next=after, **more,
        )  # fmt: skip

    steps.add(own, (own.after,), build)


def _what_may_hold_it(steps: Steps, found: dict[str, Node]) -> dict[str, Any]:
    """The keys that most messages do without, as `Send` has them."""
    reader = steps.reader
    valid_ms = reader.duration(found.get("valid"), "`valid`", default_ms=MARKETING_VALID_MS)
    hours = window(reader, found["window"], "`window`", holidays=True) if "window" in found else None
    return {
        "valid_ms": valid_ms,
        "window": hours,
        "storefront": storefront(reader, found.get("storefront"), steps.scope),
        "cap": _cap(reader, found["cap"]) if "cap" in found else None,
        "fresh": _fresh(steps, found.get("fresh")),
        "variables": _variables(steps, found.get("variables")),
    }


def _cap(reader: Reader, node: Node) -> Cap:
    found = reader.fields(node, "`cap`", required=("group", "max", "per"), optional=("when_capped", "expires"))
    return Cap(group=reader.name(found.get("group"), "`group`"), **cap_limits(reader, node, found))


def cap_limits(reader: Reader, node: Node, found: dict[str, Node]) -> dict[str, Any]:
    """`max`, `per`, `when_capped` and `expires`, which belongs to `defer`: nobody waits for room forever."""
    when_capped = reader.choice(found.get("when_capped"), "`when_capped`", _WHEN_CAPPED)
    if when_capped == "defer" and "expires" not in found:
        reader.note(
            "missing_key",
            node,
            "`when_capped: defer` needs `expires`: how long a message waits for room",
            advice="Add `expires: 1d` to `cap`, say.",
        )
    if when_capped == "skip" and "expires" in found:
        reader.note(
            "bad_choice",
            found["expires"],
            "`expires` belongs to `when_capped: defer`",
            advice="Leave it out: what is skipped does not wait.",
        )
    return {
        "max": reader.integer(found.get("max"), "`max`", least=1, most=CAP_MAX, default=1),
        "per_ms": reader.duration(found.get("per"), "`per`"),
        "when_capped": when_capped,
        "expires_ms": reader.duration(found.get("expires"), "`expires`"),
    }


def _fresh(steps: Steps, node: Node | None) -> tuple[tuple[str, int], ...]:
    """`{ coupons: 24h }`"""
    reader = steps.reader
    reader.asks(node, "ages")
    entries = _entries(reader, node, "`fresh`", "{ coupons: 24h }")
    for key, _ in entries:
        check_fact(reader, key, key.text, steps.scope.facts)
    return tuple((reader.name(key, "a fact"), reader.duration(age, f"`{cut(key.text)}`")) for key, age in entries)


def _variables(steps: Steps, node: Node | None) -> dict[str, Value]:
    """`{ code: trigger.code, name: fact.first_name, picks: { plugin: { name: best_three, version: 1 } } }`"""
    steps.reader.asks(node, "values")
    found: dict[str, Value] = {}
    for key, of in _entries(steps.reader, node, "`variables`", "{ code: trigger.code }"):
        name = steps.reader.name(key, "a variable")
        if name in _RESERVED:
            steps.reader.note("bad_name", key, f"`{name}` is there anyway", advice="Give the variable another name.")
        is_asked = isinstance(of, Mapping) and "plugin" in of.entries
        found[name] = _asked(steps, of) if is_asked else value(steps.reader, of, f"`{cut(name)}`", steps.scope)
    if sum(one.origin == "plugin" for one in found.values()) > PLUGINS_MAX and node is not None:
        steps.reader.note(
            "out_of_range",
            node,
            f"a message may ask {PLUGINS_MAX} plug-ins, and this one asks more",
            advice=f"Leave some out, so that {PLUGINS_MAX} remain.",
        )
    return found


def _asked(steps: Steps, node: Node) -> Value:
    """`{ plugin: { name: best_three, version: 1 } }`"""
    reader = steps.reader
    body = reader.fields(node, "a variable", required=("plugin",))["plugin"]
    name, version = plugin.named(reader, body)
    reader.plugins.append(PluginAsked(body, name, version, OF_VARIABLES, steps.scope.words))
    return Value("plugin", {"name": name, "version": version})


def _entries(reader: Reader, node: Node | None, what: str, example: str) -> list[tuple[Any, Node]]:
    if node is None:
        return []
    if not isinstance(node, Mapping) or not node.entries:
        reader.note("wrong_shape", node, f"{what} must be a mapping such as {example}, not {shown(node)}")
        return []
    return list(node.entries.values())
