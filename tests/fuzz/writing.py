"""Writing: a document to damage as text, and as the tree that the reader of YAML would make of that text.

Reading YAML takes twenty times as long as compiling what it says. Whoever has the tree already need not read it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypeAlias

from streams.flowfile.nodes import Listing, Mapping, Node, Scalar
from streams.flowfile.strict_yaml import DEPTH_MAX

BLOCKS_MAX = 40  # levels that are written in blocks

#: A scalar as it is to be written, a list, or a tuple of pairs for a mapping, so that keys may repeat.
Tree: TypeAlias = Any

#: What stands for itself without quotes, wherever it stands. There is more of that kind; this is what is certain.
_PLAIN = re.compile(
    r"~|(?:[A-Za-z0-9_]|[-+.](?=[A-Za-z0-9]))(?:[A-Za-z0-9_./+-]|:(?=[0-9])| (?=[A-Za-z0-9_]))*", re.ASCII
)


class Quoted(str):
    """A scalar that is written in quotes."""

    __slots__ = ()


def written(tree: Tree, *, flow: bool = False) -> str:
    """As YAML: in blocks, or in brackets. Scalars without quotes are put down as they are, whatever they mean."""
    pen = _Pen()
    _put(pen, tree, flow)
    return pen.text()


def laid(tree: Tree, *, flow: bool = False) -> tuple[str, Node] | None:
    """As YAML that says just this, and what the reader makes of it; None if there is more to it than that.

    What is not plain is put in quotes; of a key that stands twice, the first counts.
    """
    tidy = _tidied(tree, 1)
    if tidy is None:
        return None
    pen = _Pen()
    root = _put(pen, tidy, flow)
    return pen.text(), root


def _put(pen: _Pen, tree: Tree, flow: bool) -> Node:
    root = pen.brackets(tree) if flow else pen.block(tree, "")
    pen.put("\n")
    return root


def _tidied(tree: Tree, depth: int) -> Tree | None:
    if depth > DEPTH_MAX:
        return None
    if isinstance(tree, str):
        return _tidied_scalar(tree)
    if isinstance(tree, list):
        items = [_tidied(item, depth + 1) for item in tree]
        return None if None in items else items
    pairs: dict[Tree, Tree] = {}
    for key, value in tree:
        pairs.setdefault(_tidied(key, depth + 1), _tidied(value, depth + 1))
    return None if None in pairs or None in pairs.values() else tuple(pairs.items())


@lru_cache(maxsize=65_536, typed=True)
def _tidied_scalar(text: str) -> str | None:
    if not text.replace("\n", "").isprintable():
        return None
    return text if isinstance(text, Quoted) or _PLAIN.fullmatch(text) else Quoted(text)


class _Pen:
    """Writes, and knows where it is."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._line, self._column = 1, 1

    def text(self) -> str:
        return "".join(self._parts)

    def put(self, text: str) -> None:
        """Whatever holds no line break."""
        self._parts.append(text)
        self._column += len(text)

    def block(self, tree: Tree, indent: str) -> Node:
        if isinstance(tree, str) or not tree or len(indent) > 2 * BLOCKS_MAX:
            self.put(" ")
            return self.brackets(tree)
        line = self._line + bool(self._parts)
        if isinstance(tree, list):
            return Listing(line, len(indent) + 1, tuple(self._item(item, indent) for item in tree))
        return Mapping(line, len(indent) + 1, dict(self._entry(key, value, indent) for key, value in tree))

    def brackets(self, tree: Tree) -> Node:
        line, column = self._line, self._column
        if isinstance(tree, str):
            self.put(_quoted(tree) if isinstance(tree, Quoted) else tree)
            return Scalar(line, column, str(tree), not isinstance(tree, Quoted))
        opening, closing = ("[", "]") if isinstance(tree, list) else ("{ ", " }")
        self.put(opening)
        found: list[Any] = []
        for part in tree:
            self.put(", " if found else "")
            if isinstance(tree, list):
                found.append(self.brackets(part))
                continue
            key = self.brackets(part[0])
            self.put(": ")
            found.append((str(part[0]), (key, self.brackets(part[1]))))
        self.put(closing)
        return Listing(line, column, tuple(found)) if isinstance(tree, list) else Mapping(line, column, dict(found))

    def _item(self, item: Tree, indent: str) -> Node:
        self._begin(indent)
        self.put("-")
        return self.block(item, indent + "  ")

    def _entry(self, key: Tree, value: Tree, indent: str) -> tuple[str, tuple[Any, Node]]:
        self._begin(indent)
        at = self.brackets(key)
        self.put(":")
        return str(key), (at, self.block(value, indent + "  "))

    def _begin(self, indent: str) -> None:
        if self._parts:
            self._parts.append("\n")
            self._line += 1
        self._column = 1
        self.put(indent)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
