"""What the words of a flow file stand for in an event."""

from __future__ import annotations

from typing import Any

Words = dict[str, Any]


def words_of(envelope: dict[str, Any]) -> Words:
    """What bare words of a flow file stand for: the properties, the context's channel, the value as ``total``."""
    words: Words = dict(envelope.get("properties") or {})
    channel_id = (envelope.get("context") or {}).get("channel_id")
    said = {"channel_id": channel_id, "total": envelope.get("value"), "subject": envelope.get("subject")}
    return words | {name: value for name, value in said.items() if value is not None or name != "subject"}
