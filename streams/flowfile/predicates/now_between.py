"""`now_between: { local: "09:00-17:00", on: [mon-fri], except: ["2026-12-25"] }`: by the clock where the person is."""

from __future__ import annotations

from schemas.conditions import Condition, NowBetween
from streams.flowfile.comparisons import Scope
from streams.flowfile.events import Compile
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader
from streams.flowfile.windows import window


def read(reader: Reader, node: Node, scope: Scope, compile_: Compile) -> Condition:
    """A window."""
    return NowBetween(window=window(reader, node, "`now_between`"))
