"""`plugin: { name: is_worth_a_call, version: 1 }`: a predicate in Python. Whether it is there is seen later."""

from __future__ import annotations

from schemas.conditions import Condition, Plugin
from streams.flowfile.comparisons import Scope
from streams.flowfile.events import Compile
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader

VERSION_MAX = 1_000_000


def read(reader: Reader, node: Node, scope: Scope, compile_: Compile) -> Condition:
    """Both must be said: two versions may stand beside each other."""
    found = reader.fields(node, "`plugin`", required=("name", "version"))
    name = reader.text(found.get("name"), "`name`") or ""
    return Plugin(name=name, version=reader.integer(found.get("version"), "`version`", least=1, most=VERSION_MAX))
