"""Plug-ins: what flows ask of registered pure functions in Python, and what they get.

A plug-in sees what it has declared and nothing else, and has a budget of steps instead of time: each call, each turn of
a loop and each item of a comprehension is one. So it answers the same on every machine, also where it runs over.
`agents.plugins` reads plug-in files, refuses what breaks the rules, and puts the counting in.

For example:

    inputs ("trigger.total", "fact.tier"); total unknown  -> {"trigger.total": None, "fact.tier": "gold"}
    it raises, runs over its budget or answers another kind of thing  -> unknown, counted as failed
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

STEPS_MAX_DEFAULT = 1_000
STEPS_MAX = 100_000  # of the budget that a plug-in may declare
ANSWER_NODES_MAX = 1_000  # values in an answer, counted at every depth
TEXT_LENGTH_MAX = 10_000
RECOMMENDED_MAX = 50

PluginKind = Literal["predicate", "transform", "recommender"]
Name = tuple[str, int]  # name and version


class OverBudget(Exception):
    """A plug-in took more steps than it has declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One registered function. `inputs` are references such as `trigger.total`, `fact.tier` and `now` (RFC 3339)."""

    kind: PluginKind
    name: str
    version: int
    inputs: tuple[str, ...]
    answer: Callable[[Mapping[str, Any]], Any]  # raises OverBudget
    fingerprint: str  # hash of its source


class Answer(NamedTuple):
    """What came of asking. `failed` says why there is no value; then the value is None."""

    value: Any
    failed: str | None = None


def ask(plugin: Plugin, known: Mapping[str, Any]) -> Answer:
    """Ask a plug-in. `known` has a value for each input that is known; the others are told as None. Never raises."""
    try:
        value = plugin.answer({name: known.get(name) for name in plugin.inputs})
    except OverBudget:
        return Answer(None, "over_budget")
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost more than this answer
        return Answer(None, type(error).__name__)
    if value is None:
        return Answer(None)
    return Answer(value) if _FITS[plugin.kind](value) else Answer(None, "wrong_kind")


def registry(plugins: Iterable[Plugin]) -> dict[Name, Plugin]:
    """By name and version. Raises ValueError when two have the same."""
    found: dict[Name, Plugin] = {}
    for plugin in plugins:
        if found.setdefault((plugin.name, plugin.version), plugin) is not plugin:
            raise ValueError(f"two plug-ins are called {plugin.name!r}, version {plugin.version}")
    return found


def _is_plain(value: Any) -> bool:
    """Whether this is JSON of a bearable size: texts, whole numbers, booleans, null, lists and objects."""
    left, front = ANSWER_NODES_MAX, [value]
    while front:
        one = front.pop()
        left -= 1
        if left < 0 or not _is_leaf_or_box(one):
            return False
        if isinstance(one, dict):
            front += [*one, *one.values()] if len(one) <= left else [object()]
        elif isinstance(one, list | tuple):
            front += one if len(one) <= left else [object()]
    return True


def _is_leaf_or_box(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= TEXT_LENGTH_MAX
    if isinstance(value, int):
        return -(1 << 53) < value < 1 << 53
    return value is None or isinstance(value, dict | list | tuple)


def _is_recommendation(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= RECOMMENDED_MAX and all(isinstance(x, str) for x in value)


_FITS: dict[PluginKind, Callable[[Any], bool]] = {
    "predicate": lambda value: isinstance(value, bool),
    "transform": _is_plain,
    "recommender": _is_recommendation,
}
