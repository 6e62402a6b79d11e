"""Plug-ins: what flows ask of registered pure functions in Python, and what they get.

A plug-in sees what it has declared and nothing else, and has a budget of steps instead of time: each call, each turn of
a loop, each item of a comprehension and each thousand characters that it makes is one. So it answers the same on every
machine, also where it runs over.
`agents.plugins` reads plug-in files, refuses what breaks the rules, and puts the counting in.

For example:

    inputs ("trigger.total", "fact.tier"); total unknown  -> {"trigger.total": None, "fact.tier": "gold"}
    it raises, runs over its budget or answers another kind of thing  -> unknown, counted as failed
    a list of ids, of an order that has none  -> [], which is an answer; None is none
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

STEPS_MAX_DEFAULT = 1_000
STEPS_MAX = 100_000  # of the budget that a plug-in may declare
ANSWER_NODES_MAX = 1_000  # values in an answer, counted at every depth
ANSWER_DEPTH_MAX = 10  # of lists and objects within each other
ANSWER_TEXT_MAX = 10_000  # characters in an answer, of all its texts together
RECOMMENDED_MAX = 50
RECOMMENDED_LENGTH_MAX = 256  # characters of one id
WHOLE_MAX = 1 << 53  # whole numbers stay below it, so that every reader of JSON has them exactly

PluginKind = Literal["predicate", "transform", "recommender"]
#: What may be asked where: in conditions, and for variables of a message.
OF_CONDITIONS: frozenset[PluginKind] = frozenset({"predicate"})
OF_VARIABLES: frozenset[PluginKind] = frozenset({"transform", "recommender"})
Name = tuple[str, int]  # name and version
NO_PLUGINS: Mapping[Name, Plugin] = {}

Failure = Literal["over_budget", "wrong_kind", "raised"]
FAILURES: tuple[Failure, ...] = get_args(Failure)


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
    fingerprint: str  # hash of its source, and of all that it uses

    def inputs_of(self, origin: str) -> frozenset[str]:
        """The words of the trigger, or the facts, that it asks for."""
        return frozenset(name.removeprefix(origin) for name in self.inputs if name.startswith(origin))


class Answer(NamedTuple):
    """What came of asking. `failed` says why there is no value, `detail` what was raised; then the value is None."""

    value: Any
    failed: Failure | None = None
    detail: str = ""


def ask(plugin: Plugin, known: Mapping[str, Any]) -> Answer:
    """Ask a plug-in. `known` has a value for each input that is known; the others are told as None. Raises
    nothing but MemoryError, which says something about the machine and nothing about the question.

    It gets copies, so nothing that it does to its inputs is seen by anybody else, and what it answers is ours alone.
    """
    try:
        value = plugin.answer({name: _own(known.get(name)) for name in plugin.inputs})
        return Answer(None if value is None else _FITS[plugin.kind](value))
    except MemoryError:
        raise
    except OverBudget:
        return Answer(None, "over_budget")
    except _Unfit:
        return Answer(None, "wrong_kind")
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost more than this answer
        return Answer(None, "raised", type(error).__name__)


def registry(plugins: Iterable[Plugin]) -> dict[Name, Plugin]:
    """By name and version. Raises ValueError when two have the same."""
    found: dict[Name, Plugin] = {}
    for plugin in plugins:
        if found.setdefault((plugin.name, plugin.version), plugin) is not plugin:
            raise ValueError(f"two plug-ins are called {plugin.name!r}, version {plugin.version}")
    return found


class _Unfit(Exception):
    """An answer is not of the kind that was asked for."""


def _own(value: Any) -> Any:
    """A copy of JSON."""
    if isinstance(value, dict):
        return {name: _own(one) for name, one in value.items()}
    return [_own(one) for one in value] if isinstance(value, list) else value


class _Room:
    """What an answer may still hold."""

    def __init__(self) -> None:
        self._nodes, self._text = ANSWER_NODES_MAX, ANSWER_TEXT_MAX

    def plain(self, value: Any, *, depth: int = ANSWER_DEPTH_MAX) -> Any:
        """The same as JSON: texts, whole numbers, booleans, null, lists, objects. Raises _Unfit for anything else."""
        self._nodes -= 1
        if self._nodes < 0 or depth == 0:
            raise _Unfit
        if isinstance(value, Mapping):
            return {self._taken(name): self.plain(one, depth=depth - 1) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(one, depth=depth - 1) for one in value]
        if isinstance(value, str):
            return self._taken(value)
        if value is None or (isinstance(value, int) and -WHOLE_MAX < value < WHOLE_MAX):
            return value
        raise _Unfit

    def _taken(self, value: Any) -> str:
        text = _text(value, most=self._text)
        self._text -= len(text)
        return text


def _text(value: Any, *, most: int) -> str:
    """Half a character, as some programs make of an emoji, could not be written down."""
    if not isinstance(value, str) or len(value) > most or any("\ud800" <= one <= "\udfff" for one in value):
        raise _Unfit
    return value


def _predicate(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Unfit
    return value


def _recommendation(value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > RECOMMENDED_MAX:
        raise _Unfit
    return [_text(one, most=RECOMMENDED_LENGTH_MAX) for one in value]


_FITS: dict[PluginKind, Callable[[Any], Any]] = {
    "predicate": _predicate,
    "transform": lambda value: _Room().plain(value),
    "recommender": _recommendation,
}
