"""What `dead-letters show` shows of a letter beside its head: its bytes, and of a conflicting copy what conflicts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from agents.dead_letters.copies import ABSENT, differences
from agents.dead_letters.desk import Desk, Left
from agents.dead_letters.shelf import Entry
from schemas.dead_letter import DeadLetter
from schemas.instants import to_wire
from schemas.refusals import QUARANTINE

VALUE_SHOWN = 4_000
#: Of a copy in which nearly everything differs; with `--json` all are told.
DIFFERENCES_SHOWN = 100
MEMBER_SHOWN = 70
_DRAWN_APART = ("value", "first", "differences")


async def shown_by(desk: Desk, entry: Entry) -> dict[str, Any]:
    """As JSON. Nothing of what is gone; why the copy that counts is not shown stands under `first_gone`."""
    try:
        letter = await desk.original(entry)
    except Left:
        return {}
    said = {"value": msgspec.to_builtins(letter)["value"], "text": _text(letter.value)}
    return said | await _compared(desk, letter) if letter.reason in QUARANTINE else said


async def _compared(desk: Desk, letter: DeadLetter) -> dict[str, Any]:
    try:
        first = await desk.first_copy(letter)
    except Left as left:
        return {"first_gone": str(left)}
    found = differences(first.value, letter.value or b"")
    return {
        "first": {
            "topic": letter.topic, "partition": letter.partition, "offset": first.offset,
            "appended_at": to_wire(first.appended_at), "text": _text(first.value),
        },
        "differences": [
            {name: value for name, value in one._asdict().items() if value is not ABSENT} | {"counts": one.counts}
            for one in found
        ],
    }  # fmt: skip


def drawn(said: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The same for people: the letter, and below it what differs."""
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    for field, value in said.items():
        if field not in _DRAWN_APART:
            table.add_row(field, Text(str(value)))
    yield table
    yield ""
    if "differences" in said:
        yield from _differences(said["first"], said["differences"])


def _differences(first: Mapping[str, Any], found: list[dict[str, Any]]) -> Iterator[RenderableType]:
    place = f"{first['topic']}/{first['partition']}/{first['offset']}"
    yield f"the first copy, which counts, stands at {place} and was appended at {first['appended_at']}"
    if not any(one["counts"] for one in found):
        yield "value, properties and items say the same in both, and are only written differently"
    if found:
        table = Table("field", "first", "this copy", box=None, pad_edge=False)
        for one in found[:DIFFERENCES_SHOWN]:
            table.add_row(*(Text(text) for text in (one["field"], _member(one, "first"), _member(one, "copy"))))
        yield table
    if len(found) > DIFFERENCES_SHOWN:
        yield f"and {len(found) - DIFFERENCES_SHOWN:,} more fields; --json has all of them"
    yield ""


def _member(one: Mapping[str, Any], side: str) -> str:
    return json.dumps(one[side], ensure_ascii=False)[:MEMBER_SHOWN] if side in one else "-"


def _text(value: bytes | None) -> str:
    return (value or b"")[:VALUE_SHOWN].decode(errors="replace")
