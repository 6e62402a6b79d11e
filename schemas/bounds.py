"""Bounds of any JSON document: nesting, list length, text length. Walked level by level, without recursion."""

from __future__ import annotations

from collections.abc import Iterable
from types import GenericAlias
from typing import Any

from schemas.limits import ARRAY_ITEMS_MAX, DEPTH_MAX, STRING_BYTES_MAX
from schemas.refusals import Refused, pointer

_UTF8_BYTES_MAX = 4  # of one character
#: JSON of fewer bytes holds neither a list nor a text over its limit: the shortest list is `[0,0,…]`.
_SMALL = min(2 * ARRAY_ITEMS_MAX, STRING_BYTES_MAX)


def shallow() -> Any:
    """The type of an object that is not nested too deeply: whoever reads JSON as this need not look at its depth."""
    scalar: Any = str | int | float | bool | None
    member = scalar
    for _ in range(DEPTH_MAX - 1):
        member = scalar | GenericAlias(dict, (str, member)) | GenericAlias(list, (member,))
    return GenericAlias(dict, (str, member))


def may_be_over(value: bytes) -> bool:
    """Whether a list or a text in this JSON may be over its limit. Of most records its size alone says no."""
    return len(value) >= _SMALL or (b"\\" in value and b"\\u0000" in value)


def check(document: dict[str, Any]) -> None:
    """Raise `Refused` for the first thing over a limit, the shallowest first."""
    level: list[Any] = [document]
    for _ in range(DEPTH_MAX):
        for node in level:
            _check_members(node, document)
        level = [member for node in level for member in _members(node) if type(member) in (dict, list)]
        if not level:
            return
    place = _place(document, level[0])
    raise Refused("too_deep", f"{place} is nested more than {DEPTH_MAX} deep; flatten it or leave it out")


def _members(node: Any) -> Iterable[Any]:
    return node.values() if type(node) is dict else node


def _check_members(node: Any, document: dict[str, Any]) -> None:
    if type(node) is list and len(node) > ARRAY_ITEMS_MAX:
        place = _place(document, node)
        raise Refused("too_many_items", f"{place} has {len(node)} items; at most {ARRAY_ITEMS_MAX} are taken")
    for text in (*node, *node.values()) if type(node) is dict else node:
        if type(text) is str:
            _check_text(text, document)


def _check_text(text: str, document: dict[str, Any]) -> None:
    if len(text) * _UTF8_BYTES_MAX > STRING_BYTES_MAX and (size := len(text.encode())) > STRING_BYTES_MAX:
        found = f"{_place(document, text)} has {size} bytes"
        raise Refused("string_too_long", f"{found}; at most {STRING_BYTES_MAX} are taken: shorten it or leave it out")
    if "\x00" in text:
        raise Refused("nul_character", f"{_place(document, text)} holds U+0000; remove it at the source")


def _place(document: dict[str, Any], target: Any) -> str:
    """Where the very object `target` stands, which may be the name of a member. Only looked up for a refusal."""
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(document, ())]
    while stack:
        node, path = stack.pop()
        if node is target:
            return pointer(path)
        if type(node) is list:
            stack.extend((member, (*path, index)) for index, member in enumerate(node))
        elif type(node) is dict:
            if any(name is target for name in node):
                return f"the name of a member of {pointer(path)}"
            stack.extend((member, (*path, name)) for name, member in node.items())
    raise AssertionError("what was refused is in the document")
