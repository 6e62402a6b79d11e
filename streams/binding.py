"""Binding: a flow with the plug-ins that it names put where it names them. What is bound never leaves the process."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import msgspec
from msgspec.structs import replace

from schemas.conditions import Plugin as Wanted
from schemas.flow import Flow
from schemas.steps import Value
from streams.plugins import OF_CONDITIONS, OF_VARIABLES, Name, Plugin, PluginKind


class UnknownPlugin(ValueError):
    """A flow asks for a plug-in that is not there; put its file into the folder of plug-ins, or correct the name."""


class Bound(msgspec.Struct, frozen=True):
    """A condition with the function that it names."""

    wanted: Wanted
    plugin: Plugin


def bind(flow: Flow, plugins: Mapping[Name, Plugin]) -> Flow:
    """The flow with each of its plug-ins found; what is bound already stays as it is. Raises UnknownPlugin."""
    changed = _changed(flow, flow.name, plugins)
    return replace(flow, **changed) if changed else flow


def name_of(value: Value) -> Name:
    """The plug-in that a variable asks, before it is bound."""
    return value.of["name"], value.of["version"]


def _bound(thing: Any, flow: str, plugins: Mapping[Name, Plugin]) -> Any:
    """The same thing, if there is no plug-in in it."""
    if isinstance(thing, Bound):
        return thing
    if isinstance(thing, Wanted):
        return Bound(thing, _found((thing.name, thing.version), OF_CONDITIONS, flow, plugins))
    if isinstance(thing, Value):
        if thing.origin != "plugin" or isinstance(thing.of, Plugin):
            return thing
        return replace(thing, of=_found(name_of(thing), OF_VARIABLES, flow, plugins))
    if isinstance(thing, msgspec.Struct):
        changed = _changed(thing, flow, plugins)
        return replace(thing, **changed) if changed else thing
    if isinstance(thing, tuple):
        listed = tuple(_bound(part, flow, plugins) for part in thing)
        return listed if any(one is not other for one, other in zip(listed, thing, strict=True)) else thing
    if isinstance(thing, dict):
        mapped = {name: _bound(part, flow, plugins) for name, part in thing.items()}
        return mapped if any(mapped[name] is not part for name, part in thing.items()) else thing
    return thing


def _changed(thing: msgspec.Struct, flow: str, plugins: Mapping[Name, Plugin]) -> dict[str, Any]:
    parts = {name: getattr(thing, name) for name in thing.__struct_fields__}
    found = {name: _bound(part, flow, plugins) for name, part in parts.items()}
    return {name: part for name, part in found.items() if part is not parts[name]}


def _found(name: Name, kinds: Set[PluginKind], flow: str, plugins: Mapping[Name, Plugin]) -> Plugin:
    plugin = plugins.get(name)
    if plugin is None or plugin.kind not in kinds:
        raise UnknownPlugin(f"flow {flow!r} asks for the {' or '.join(sorted(kinds))} {name[0]!r}, version {name[1]}")
    return plugin
