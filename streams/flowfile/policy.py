"""The policy file of a folder of flows: quiet hours, caps, consent, storefronts, and what is declared for all flows.

    policy: shop
    consent: required
    quiet_hours: [{ channels: [sms], local: "21:00-08:00" }]
    caps: [{ channel: email, class: marketing, max: 2, per: 24h, when_capped: defer, expires: 12h }]
    storefronts: { "2": { name: Shop Two, timezone: Europe/Berlin, locale: de-DE, sender: "Two <hello@two.example>" } }

It has the same strict YAML and the same findings as a flow file.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from schemas.catalog import Kind
from schemas.channels import CHANNELS
from schemas.codec import encode
from schemas.connectors import Lag
from schemas.policy import CapRule, Policy, QuietHours, Storefront
from streams.clock.wall import DAY_MS, WEEKDAYS
from streams.clock.zones import is_zone
from streams.flowfile.findings import Finding, Unreadable
from streams.flowfile.nodes import Mapping, Node, Scalar, cut, shown
from streams.flowfile.reader import Reader
from streams.flowfile.step_kinds.send import cap_limits
from streams.flowfile.strict_yaml import parse
from streams.flowfile.windows import day, window_of

_CONSENT: tuple[Literal["unless_withdrawn", "required"], ...] = ("unless_withdrawn", "required")
_CLASSES: tuple[Literal["marketing"], ...] = ("marketing",)
_KINDS: tuple[Kind, ...] = get_args(Kind)
_PLAIN = r"[A-Za-z0-9_%+-]+(?:\.[A-Za-z0-9_%+-]+)*@\w[\w-]*(?:\.\w[\w-]*)*"
_SENDER = re.compile(rf'{_PLAIN}|(?:"[^"\\\x00-\x1f]+"|[^"<>@,:;()\\\x00-\x1f]+) <{_PLAIN}>')
_OF = ("group", "channel", "class", "storefront")
_OPTIONAL = ("consent", "quiet_hours", "caps", "facts", "storefronts", "sources", "holidays")


class CheckedPolicy(NamedTuple):
    """What a look at the file says. `policy` is None when a finding is an error."""

    policy: Policy | None
    findings: tuple[Finding, ...]


def check_policy(text: str | bytes, *, name: str) -> CheckedPolicy:
    """Read a policy file; `name` is the file in the findings. Never raises, whatever the text."""
    reader = Reader(name)
    policy: Policy | None = None
    try:
        policy = read(reader, parse(text, reader.findings))
    except Unreadable:
        policy = None
    findings = tuple(reader.findings.in_order())
    return CheckedPolicy(None if any(one.severity == "error" for one in findings) else policy, findings)


def read(reader: Reader, root: Node) -> Policy:
    """What a reader makes of a policy file; worth nothing if it noted an error."""
    found = reader.fields(root, "a policy file", required=("policy",), optional=_OPTIONAL)
    policy = Policy(
        name=reader.name(found.get("policy"), "`policy`"),
        consent=reader.choice(found.get("consent"), "`consent`", _CONSENT),
        quiet_hours=tuple(_quiet(reader, one) for one in reader.items(found.get("quiet_hours"), "`quiet_hours`")),
        caps=tuple(_cap(reader, one) for one in reader.items(found.get("caps"), "`caps`")),
        facts={name: reader.choice(kind, f"`{cut(name)}`", _KINDS) for name, kind in _facts(reader, found)},
        storefronts={name: _storefront(reader, one) for name, one in _named(reader, found, "storefronts")},
        sources={
            reader.source(name, "a source"): _source(reader, one) for name, one in _entries(reader, found, "sources")
        },
        holidays=tuple(sorted(day(reader, one) for one in reader.items(found.get("holidays"), "`holidays`"))),
    )
    return msgspec.structs.replace(policy, version=version_of(policy))


def version_of(policy: Policy) -> str:
    """The hash of everything else in a policy."""
    return blake2b(encode(msgspec.structs.replace(policy, version="")), digest_size=16).hexdigest()


def _named(reader: Reader, found: dict[str, Node], key: str) -> list[tuple[str, Node]]:
    """The entries of a mapping by name. A whole number needs no quotes: it is the text as written."""
    entries = _entries(reader, found, key)
    for name, _ in entries:
        if not (name.kind == "number" and name.text.isdigit()):
            reader.text(name, f"a name in `{key}`")
    return [(name.text, one) for name, one in entries]


def _facts(reader: Reader, found: dict[str, Node]) -> list[tuple[str, Node]]:
    """Facts are written `fact.name` elsewhere, so their names are identifiers."""
    entries = _entries(reader, found, "facts")
    for name, _ in entries:
        if not name.text.isidentifier():
            reader.note("bad_name", name, f"a fact must be called by letters, digits and `_`, not {shown(name)}")
    return [(name.text, one) for name, one in entries]


def _entries(reader: Reader, found: dict[str, Node], key: str) -> list[tuple[Scalar, Node]]:
    node = found.get(key)
    if node is None:
        return []
    if not isinstance(node, Mapping) or not node.entries:
        reader.note("wrong_shape", node, f"`{key}` must be a mapping of names, not {shown(node)}")
        return []
    reader.asks(node, "names")
    return list(node.entries.values())


def _quiet(reader: Reader, node: Node) -> QuietHours:
    found = reader.fields(node, "quiet hours", required=("channels", "local"), optional=("on", "except"))
    channels = [reader.choice(one, "a channel", CHANNELS) for one in reader.items(found.get("channels"), "`channels`")]
    quiet = window_of(reader, found)
    if quiet.end_ms - quiet.start_ms == DAY_MS and len(quiet.weekdays) % len(WEEKDAYS) == 0 and not quiet.except_days:
        reader.note("bad_time", found["local"], "these quiet hours never end, so nothing would ever go out")
    return QuietHours(channels=tuple(channels), window=quiet)


def _cap(reader: Reader, node: Node) -> CapRule:
    optional = (*_OF, "when_capped", "expires")
    found = reader.fields(node, "a cap", required=("max", "per"), optional=optional)
    of: dict[str, Any] = {key: _text(reader, found.get(key), f"`{key}`") for key in ("group", "storefront")}
    if "channel" in found:
        of["channel"] = reader.choice(found["channel"], "`channel`", CHANNELS)
    if "class" in found:  # transactional messages pass caps and take no room
        of["message_class"] = reader.choice(found["class"], "`class`", _CLASSES)
    return CapRule(**of, **cap_limits(reader, node, found))


def _storefront(reader: Reader, node: Node) -> Storefront:
    found = reader.fields(node, "a storefront", optional=("name", "timezone", "locale", "sender"))
    timezone = reader.text(found.get("timezone"), "`timezone`")
    if timezone is not None and not is_zone(timezone):
        expected = f"`timezone` must be a zone such as Europe/Berlin, not {shown(found['timezone'])}"
        reader.note("bad_choice", found["timezone"], expected)
    sender = reader.text(found.get("sender"), "`sender`")
    if sender is not None and not _SENDER.fullmatch(sender):
        expected = f"`sender` must be like shop@example.com or Shop <shop@example.com>, not {shown(found['sender'])}"
        reader.note("bad_choice", found["sender"], expected)
    return Storefront(
        name=reader.text(found.get("name"), "`name`") or "",
        timezone=timezone,
        locale=reader.text(found.get("locale"), "`locale`"),
        sender=sender,
    )


def _source(reader: Reader, node: Node) -> Lag:
    found = reader.fields(node, "a late source", required=("lag",), optional=("margin",))
    return Lag(
        lag_ms=reader.duration(found.get("lag"), "`lag`", least_ms=0),
        margin_ms=reader.duration(found.get("margin"), "`margin`", least_ms=0),
    )


def _text(reader: Reader, node: Node | None, what: str) -> str | None:
    if isinstance(node, Scalar) and node.kind == "number" and node.text.isdigit():
        return node.text
    return reader.text(node, what)
