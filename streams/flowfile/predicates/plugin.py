"""`plugin: { name: is_worth_a_call, version: 1 }`: a predicate in Python. Whether it is there, the linter asks."""

from __future__ import annotations

from schemas.conditions import Condition, Plugin
from streams.flowfile.comparisons import Scope
from streams.flowfile.events import Compile
from streams.flowfile.nodes import Node
from streams.flowfile.reader import PluginAsked, Reader
from streams.plugins import OF_CONDITIONS, Name

VERSION_MAX = 1_000_000


def read(reader: Reader, node: Node, scope: Scope, compile_: Compile) -> Condition:
    """Two versions may stand beside each other, so both must be said."""
    name, version = named(reader, node)
    reader.plugins.append(PluginAsked(node, name, version, OF_CONDITIONS, scope.words))
    return Plugin(name=name, version=version)


def named(reader: Reader, node: Node) -> Name:
    """The name and the version."""
    found = reader.fields(node, "`plugin`", required=("name", "version"))
    name = reader.text(found.get("name"), "`name`") or ""
    return name, reader.integer(found.get("version"), "`version`", least=1, most=VERSION_MAX)
