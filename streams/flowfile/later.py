"""`allocate` and `expose`: steps that the language has and this version cannot do. They are read, and refused.

So a file that uses them is told of its mistakes already, and means the same once they are there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader

_WHEN_EMPTY: tuple[Literal["hold", "suppress", "fallback"], ...] = ("hold", "suppress", "fallback")


def allocate(reader: Reader, body: Node) -> None:
    """`allocate: { pool: spring, as: code, when_empty: hold, max_hold: 2d }`: a code out of a pool, as a variable."""
    optional = ("as", "when_empty", "max_hold", "fallback")
    found = reader.fields(body, "`allocate`", required=("pool",), optional=optional)
    reader.name(found.get("pool"), "`pool`")
    reader.name(found.get("as"), "`as`")
    when_empty = reader.choice(found.get("when_empty"), "`when_empty`", _WHEN_EMPTY)
    reader.duration(found.get("max_hold"), "`max_hold`")
    reader.text(found.get("fallback"), "`fallback`")
    for key, needed in (("max_hold", "hold"), ("fallback", "fallback")):
        if key in found and when_empty != needed:
            reader.note(
                "bad_choice",
                found[key],
                f"`{key}` belongs to `when_empty: {needed}`",
                advice=f"Leave `{key}` out, or say `when_empty: {needed}`.",
            )
    if when_empty == "fallback" and "fallback" not in found:
        reader.note(
            "missing_key",
            body,
            "`when_empty: fallback` needs `fallback`: the code to take then",
            advice="Add `fallback: CODE`.",
        )


def expose(reader: Reader, body: Node) -> None:
    """`expose: { slot: banner, template: spring_banner, for: 7d }`: something on the page, in one of its slots."""
    found = reader.fields(body, "`expose`", required=("slot", "template"), optional=("for",))
    reader.name(found.get("slot"), "`slot`")
    reader.name(found.get("template"), "`template`")
    reader.duration(found.get("for"), "`for`")


LATER: dict[str, Callable[[Reader, Node], None]] = {"allocate": allocate, "expose": expose}
