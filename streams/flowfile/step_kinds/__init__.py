"""The kinds of steps, one module each, and one line each in this table: how they are read from a flow file."""

from __future__ import annotations

from streams.flowfile.step_kinds import (
    branch,
    emit,
    enter_flow,
    route,
    send,
    set_fact,
    settle,
    split,
    stop,
    wait,
    wait_event,
)
from streams.flowfile.steps import Kind

KINDS: dict[str, Kind] = {
    "wait": wait.read,
    "wait_event": wait_event.read,
    "settle": settle.read,
    "if": branch.read,
    "route": route.read,
    "split": split.read,
    "send": send.read,
    "set": set_fact.read,
    "emit": emit.read,
    "enter_flow": enter_flow.read,
    "stop": stop.read,
}
