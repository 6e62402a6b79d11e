"""What a plug-in file says of its functions: `@predicate`, `@transform` and `@recommender`.

from agents.plugins.kinds import predicate

@predicate(version=1, inputs=("trigger.total", "fact.tier"))
def is_worth_a_call(inputs):
    return inputs["fact.tier"] == "gold"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from streams.plugins import STEPS_MAX_DEFAULT, PluginKind

Function = Callable[[Mapping[str, Any]], Any]


class Declared(NamedTuple):
    """A function with what its decorator says of it."""

    kind: PluginKind
    version: int
    inputs: tuple[str, ...]
    steps_max: int
    function: Function


def _declares(kind: PluginKind) -> Callable[..., Callable[[Function], Declared]]:
    def declare(
        *, version: int, inputs: tuple[str, ...], steps_max: int = STEPS_MAX_DEFAULT
    ) -> Callable[[Function], Declared]:
        return lambda function: Declared(kind, version, inputs, steps_max, function)

    return declare


#: Answers True, False or None, which is unknown.
predicate = _declares("predicate")
#: Answers any JSON without fractions, as a variable of a message; None is nothing.
transform = _declares("transform")
#: Answers a list of at most 50 ids of products.
recommender = _declares("recommender")
