"""What the words of a flow file stand for in an event."""

from __future__ import annotations

from typing import Any

Words = dict[str, Any]

#: Types whose value is a `total`: semantics 10.4.
TOTALED = ("commerce.cart.", "commerce.checkout.", "commerce.order.", "commerce.payment.")


def words_of(envelope: dict[str, Any]) -> Words:
    """What bare words of a flow file stand for: the properties, the context's channel, of a cart or more its value as
    ``total``.
    """
    words: Words = dict(envelope.get("properties") or {})
    channel_id = (envelope.get("context") or {}).get("channel_id")
    total = envelope.get("value") if str(envelope.get("type")).startswith(TOTALED) else None
    said = {"channel_id": channel_id, "total": total, "subject": envelope.get("subject")}
    return words | {name: value for name, value in said.items() if value is not None or name != "subject"}
