"""`plugin`: a registered pure function in Python, asked about the words of the trigger, facts and *now*.

plugin: { name: is_worth_a_call, version: 1 }

it answers True, False or None    -> true, false, unknown
it raises, or runs over its budget -> unknown, and the decision says why
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from schemas.conditions import Plugin as Wanted
from schemas.flow import Flow
from schemas.instants import to_wire
from streams.facts import value_of
from streams.plugins import Name, Plugin, ask
from streams.view import View

_T = TypeVar("_T")


class UnknownPlugin(ValueError):
    """A flow asks for a plug-in that is not there; put its file into the folder of plug-ins, or correct the name."""


class Bound(msgspec.Struct, frozen=True):
    """A condition with the function that it names. It never leaves the process."""

    wanted: Wanted
    plugin: Plugin


def bind(flow: Flow, plugins: Mapping[Name, Plugin]) -> Flow:
    """The flow with each of its plug-ins found. Raises UnknownPlugin."""
    return _bound(flow, flow.name, plugins)


def look(condition: Bound, view: View) -> Any:
    """What it answered, or why it did not."""
    answer = ask(condition.plugin, {name: _input(name, view) for name in condition.plugin.inputs})
    return f"failed: {answer.failed}" if answer.failed else answer.value


def judge(condition: Bound, view: View) -> bool | None:
    """The answer."""
    found = look(condition, view)
    return found if isinstance(found, bool) else None


def name(condition: Bound) -> str:
    """What is compared."""
    return f"plugin {condition.wanted.name} {condition.wanted.version}"


def facts_of(condition: Bound) -> frozenset[str]:
    """The facts that it asks for."""
    return frozenset(name.removeprefix("fact.") for name in condition.plugin.inputs if name.startswith("fact."))


def _input(reference: str, view: View) -> Any:
    origin, _, word = reference.partition(".")
    if origin == "trigger":
        return view.words.get(word)
    if origin == "fact":
        return None if view.profile is None else value_of(view.profile, word)
    return to_wire(view.now)


def _bound(thing: _T, flow: str, plugins: Mapping[Name, Plugin]) -> _T:
    """The same thing, if there is no plug-in in it."""
    if isinstance(thing, Wanted):
        plugin = plugins.get((thing.name, thing.version))
        if plugin is None or plugin.kind != "predicate":
            raise UnknownPlugin(f"flow {flow!r} asks for the predicate {thing.name!r}, version {thing.version}")
        return Bound(thing, plugin)  # type: ignore[return-value]  # it stands where any condition may
    if isinstance(thing, msgspec.Struct):
        parts = {name: getattr(thing, name) for name in thing.__struct_fields__}
        found = {name: _bound(part, flow, plugins) for name, part in parts.items()}
        changed = {name: part for name, part in found.items() if part is not parts[name]}
        return msgspec.structs.replace(thing, **changed) if changed else thing
    if isinstance(thing, tuple):
        listed = tuple(_bound(part, flow, plugins) for part in thing)
        return listed if any(one is not other for one, other in zip(listed, thing, strict=True)) else thing  # type: ignore[return-value]
    return thing
