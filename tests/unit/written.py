"""Flows as files say them, in few words: each is written as YAML, read by the real reader, and ready to be played."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from schemas.event import Event
from schemas.flow import Flow
from streams.flowfile import load
from tests.unit.stage import DAY, event

REMIND = {"label": "remind", "send": {"template": "t", "channel": "log"}}
BOUGHT = {"when": {"event": "order_placed"}, "reason": "bought"}


def say(label: str) -> dict[str, Any]:
    """A message to the log."""
    return {"label": label, "send": {"template": "t", "channel": "log"}}


def written(*steps: Any, name: str = "f", trigger: Any = "checkout_started", exits: Any = (), **more: Any) -> Flow:
    """A flow. `entry` holds what stands beside the trigger, everything else is a key of the file."""
    entry = {"trigger": {"event": trigger} if isinstance(trigger, str) else trigger, "reentry": "always"}
    raw = {"flow": name, "entry": entry | more.pop("entry", {}), "exit": list(exits), "steps": list(steps)} | more
    return load(json.dumps({key: value for key, value in raw.items() if value != []}), name=f"{name}.yaml")


def states(fact: str) -> Flow:
    """A flow that makes a fact of what `said` says; the next record of the log lets it."""
    meant = {"any": [{"url": {"is_not_set": True}}, {"url": {"eq": fact}}]}
    steps = {"set": {fact: "trigger.page"}}
    return written(steps, name=f"states_{fact}", trigger="site_active", entry={"where": meant})


def said(value: str, time: str, *, who: str = "ann", url: str | None = None) -> Event:
    """The event that `states` waits for; with `url`, only the one of that fact."""
    return (
        event("site_active", time, who=who, page=value)
        if url is None
        else event("site_active", time, who=who, page=value, url=url)
    )


def on(day: str, clock: str = "10:00") -> str:
    """A time of a day of any year, as the stage writes it: in days after its own."""
    return f"+{(date.fromisoformat(day) - DAY.date()).days} {clock}"
