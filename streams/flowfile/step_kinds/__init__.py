"""The kinds of steps, one module each, and one line each in this table: how they are read from a flow file."""

from __future__ import annotations

from streams.flowfile.step_kinds import branch, route, send, settle, stop, wait
from streams.flowfile.steps import Kind

KINDS: dict[str, Kind] = {
    "wait": wait.read,
    "settle": settle.read,
    "if": branch.read,
    "route": route.read,
    "send": send.read,
    "stop": stop.read,
}
