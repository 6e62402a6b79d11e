"""`items: { any: { categories: { contains: shoes } } }`, or `all`: a condition on the words of each item."""

from __future__ import annotations

from typing import Literal

from schemas.catalog import ITEM_WORDS, Word
from schemas.conditions import All, Condition, Items
from streams.flowfile.comparisons import Scope
from streams.flowfile.events import Compile
from streams.flowfile.nodes import Mapping, Node
from streams.flowfile.reader import Reader

QUANTIFIERS: tuple[Literal["any", "all"], ...] = ("any", "all")
WORDS = {name: Word((name,), kind) for name, kind in ITEM_WORDS.items()}


def is_items(key: str, node: Node, scope: Scope) -> bool:
    """Whether this asks for items. `items` is also a word, which can be compared like any other."""
    if key not in ("items", f"{scope.prefix}items") or (scope.words is not None and "items" not in scope.words):
        return False
    bare_in_steps = bool(scope.prefix) and key == "items"
    return bare_in_steps or (isinstance(node, Mapping) and any(name in QUANTIFIERS for name in node.entries))


def read(reader: Reader, node: Node, scope: Scope, compile_: Compile) -> Condition:
    """One quantifier, or both, each with a condition."""
    found = reader.fields(node, "`items`", optional=QUANTIFIERS)
    if isinstance(node, Mapping) and not node.entries:
        reader.note("empty", node, "`items` needs `any` or `all`")
    parts = tuple(
        Items(quantifier=quantifier, part=compile_(reader, found[quantifier], f"`{quantifier}`", Scope(WORDS)))
        for quantifier in QUANTIFIERS
        if quantifier in found
    )
    return parts[0] if len(parts) == 1 else All(parts=parts)
