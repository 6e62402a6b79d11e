"""Nodes: what stands in a YAML file, and where. Scalars stay as written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

SHOWN_LENGTH_MAX = 60
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


@dataclass(frozen=True, slots=True)
class Node:
    """Something in the file, with its place; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar(Node):
    """A single value, exactly as written. `plain`: without quotes."""

    text: str
    plain: bool

    @property
    def kind(self) -> Literal["text", "number", "boolean", "null"]:
        """What YAML 1.2 takes it for."""
        if not self.plain:
            return "text"
        if self.text in ("", "~", "null", "Null", "NULL"):
            return "null"
        if self.text in ("true", "True", "TRUE", "false", "False", "FALSE"):
            return "boolean"
        return "number" if _NUMBER.fullmatch(self.text) else "text"


@dataclass(frozen=True, slots=True)
class Listing(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mapping(Node):
    """Keys, each with its own place, and values, in the order of the file."""

    entries: dict[str, tuple[Scalar, Node]]


START = Node(1, 1)


def child(node: Node | None, key: str) -> Node | None:
    """What stands under a key."""
    return node.entries[key][1] if isinstance(node, Mapping) and key in node.entries else None


def at(node: Node, *path: str) -> Node:
    """What stands under these keys, or as far down as there is something."""
    for key in path:
        below = child(node, key)
        if below is None:
            break
        node = below
    return node


def shown(node: Node) -> str:
    """What stands in the file, for a message."""
    if isinstance(node, Listing):
        return "a list" if node.items else "an empty list"
    if isinstance(node, Mapping):
        return "a mapping" if node.entries else "an empty mapping"
    assert isinstance(node, Scalar)
    if node.kind == "null":
        return "nothing"
    text = cut(node.text)
    return {"text": f'the text "{text}"', "number": f"the number {text}"}.get(node.kind, text)


def cut(text: str) -> str:
    """Text from a file, short enough for a message and on one line. What cannot be seen, as a space of another kind, is
    written as its code.
    """
    short = re.sub(r"[ \t\r\n]+", " ", text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + "...")
    return (
        short if short.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in short)
    )
