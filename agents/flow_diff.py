"""What two versions of a flow differ in, said in their own words: steps by their labels, not by their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas.flow import Flow

#: Fields of steps that say where to go on; in `cases` every value does.
_WAYS = frozenset({"next", "then", "otherwise", "on_timeout"})
_PASSED_OVER = frozenset({"version", "status"})


class Difference(NamedTuple):
    """One place where they differ; None where there is nothing."""

    path: str
    before: Any
    after: Any


def differences(before: Flow, after: Flow) -> list[Difference]:
    """In the order of the newer one; what was removed comes last in its part. Status is no part of a version."""
    return list(_compare("", readable(before), readable(after)))


def readable(flow: Flow) -> dict[str, Any]:
    """The compiled flow as plain data, with labels where it has places."""
    labels = [step.label for step in flow.steps]
    data = {name: value for name, value in msgspec.to_builtins(flow).items() if name not in _PASSED_OVER}
    data["steps"] = {label: _named(step, labels) for label, step in zip(labels, data["steps"], strict=True)}
    return data


def _named(part: Any, labels: Sequence[str]) -> Any:
    if isinstance(part, Mapping):
        named: dict[str, Any] = {}
        for field, value in part.items():
            if field in _WAYS and isinstance(value, int):
                named[field] = labels[value]
            elif field == "cases":
                named[field] = {text: labels[way] for text, way in value.items()}
            else:
                named[field] = _named(value, labels)
        return named
    return [_named(one, labels) for one in part] if isinstance(part, list | tuple) else part


def _compare(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in (*after, *(name for name in before if name not in after)):
            yield from _compare(f"{path}.{name}" if path else name, before.get(name), after.get(name))
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _compare(f"{path}[{place}]", one, other)
    elif before != after:
        yield Difference(path, before, after)
