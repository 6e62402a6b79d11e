"""Listening to the compiler: which keys, words and values it asks for at which place of a file.

The grammar is written down nowhere but in the readers. A `Listener` is a reader that compiles as ever and remembers
what it was asked; over files that use every key once, that is the grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from streams.flowfile import durations
from streams.flowfile.nodes import Node
from streams.flowfile.reader import NAME_LENGTH_MAX, NAME_PATTERN, SOURCE_PATTERN, Asked, Reader, listed

_Choice = TypeVar("_Choice", bound=str)
_Result = TypeVar("_Result")


class Keys(NamedTuple):
    """A mapping with these keys is read here. `what`: how findings call it."""

    what: str
    required: tuple[str, ...]
    optional: tuple[str, ...]


class Items(NamedTuple):
    """A list is read here."""


class Value(NamedTuple):
    """A single value is read here: as JSON Schema, in words, and what is taken when its key is absent."""

    schema: dict[str, Any]
    says: str
    default: str | None = None


class Part(NamedTuple):
    """A part of the language that has a grammar of its own."""

    name: Asked
    prefix: str


Answer = Keys | Items | Value | Part


class Listener(Reader):
    """A reader that remembers. `heard` is by identity of the node, which lives as long as this does."""

    def __init__(self) -> None:
        super().__init__("listener")
        self.heard: dict[int, list[Answer]] = {}
        self._nodes: list[Node] = []
        self._depth = 0

    def at(self, node: Node) -> list[Answer]:
        """What was asked of a node."""
        return self.heard.get(id(node), [])

    def _hear(self, node: Node | None, answer: Answer) -> None:
        if node is not None and self._depth == 0:
            self._nodes.append(node)
            known = self.heard.setdefault(id(node), [])
            if answer not in known:
                known.append(answer)

    def _inside(self, read: Callable[..., _Result], *arguments: Any, **more: Any) -> _Result:
        """Read as ever; what the reader asks itself on the way is no question of the language."""
        self._depth += 1
        try:
            return read(*arguments, **more)
        finally:
            self._depth -= 1

    def asks(self, node: Node | None, what: Asked, *, prefix: str = "") -> None:
        self._hear(node, Part(what, prefix))

    def fields(
        self, node: Node | None, what: str, *, required: Iterable[str] = (), optional: Iterable[str] = (),
        later: Iterable[str] = (),
    ) -> dict[str, Node]:  # fmt: skip
        required, optional = tuple(required), tuple(optional)
        self._hear(node, Keys(what, required, optional))
        return super().fields(node, what, required=required, optional=optional, later=later)

    def items(self, node: Node | None, what: str) -> tuple[Node, ...]:
        self._hear(node, Items())
        return super().items(node, what)

    def scalar(self, node: Node | None, what: str) -> Any:
        self._hear(node, Value({"type": ["string", "number", "boolean"]}, "a single value"))
        return super().scalar(node, what)

    def text(self, node: Node | None, what: str) -> str | None:
        self._hear(node, Value({"type": "string"}, "text"))
        return self._inside(super().text, node, what)

    def name(self, node: Node | None, what: str) -> str:
        self._hear(
            node, Value({"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": NAME_LENGTH_MAX}, "a name")
        )
        return self._inside(super().name, node, what)

    def source(self, node: Node, what: str) -> str:
        self._hear(node, Value({"type": "string", "pattern": f"^{SOURCE_PATTERN}$"}, "a source"))
        return self._inside(super().source, node, what)

    def choice(
        self, node: Node | None, what: str, allowed: tuple[_Choice, ...], *, later: Iterable[str] = ()
    ) -> _Choice:
        self._hear(node, Value({"enum": list(allowed)}, listed(allowed, "or"), allowed[0]))
        chosen: _Choice = self._inside(super().choice, node, what, allowed, later=later)
        return chosen

    def duration(self, node: Node | None, what: str, *, default_ms: int | None = None, least_ms: int = 1) -> int:
        written: dict[str, Any] = {"type": "string", "minLength": 1, "pattern": f"^{durations.PATTERN}$"}
        schema = {"anyOf": [written, {"const": 0}]} if least_ms == 0 else written
        self._hear(node, Value(schema, "a duration", None if default_ms is None else durations.written(default_ms)))
        return self._inside(super().duration, node, what, default_ms=default_ms or 0, least_ms=least_ms)

    def integer(self, node: Node | None, what: str, *, least: int, most: int, default: int | None = None) -> int:
        schema = {"type": "integer", "minimum": least, "maximum": most}
        absent = None if default is None else str(default)
        self._hear(node, Value(schema, f"a whole number from {least} to {most}", absent))
        return self._inside(super().integer, node, what, least=least, most=most, default=default or 0)

    def number(self, node: Node | None, what: str) -> int | str:
        self._hear(node, Value({"type": "number"}, "a number"))
        return self._inside(super().number, node, what)

    def boolean(self, node: Node | None, what: str, *, default: bool = False) -> bool:
        self._hear(node, Value({"type": "boolean"}, "`true` or `false`", str(default).lower()))
        return self._inside(super().boolean, node, what, default=default)
