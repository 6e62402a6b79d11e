"""`consent: email`, or `{ channel: email, storefront: "2" }`."""

from __future__ import annotations

from schemas.channels import CONSENT_CHANNELS
from schemas.conditions import Condition, Consented
from streams.flowfile.comparisons import Scope
from streams.flowfile.events import Compile
from streams.flowfile.nodes import Mapping, Node
from streams.flowfile.reader import Reader


def read(reader: Reader, node: Node, scope: Scope, compile_: Compile) -> Condition:
    """A channel, or a mapping."""
    if not isinstance(node, Mapping):
        return Consented(channel=reader.choice(node, "`consent`", CONSENT_CHANNELS))
    found = reader.fields(node, "`consent`", required=("channel",), optional=("storefront",))
    channel = reader.choice(found.get("channel"), "`channel`", CONSENT_CHANNELS)
    return Consented(channel=channel, storefront=reader.text(found.get("storefront"), "`storefront`"))
