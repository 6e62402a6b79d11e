"""Refusals: every reason for which a record ends as a dead letter, and the error that carries one.

The list is closed and part of the public contract. A new reason is added; one that was published is never renamed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

DETAIL_LENGTH_MAX = 2_000
SHOWN_LENGTH_MAX = 100

REASONS: dict[str, str] = {
    # What arrived is no record of ours.
    "empty_record": "The record has no value.",
    "too_large": "The record is over 1 MiB, as it came or in its canonical form.",
    "invalid_utf8": "The bytes are not UTF-8 text.",
    "broken_json": "The text is not JSON, or holds a number that is out of range.",
    "not_an_object": "The JSON is not an object.",
    # An event that is not as the published schema says.
    "unknown_type": "The type is neither in the catalog nor `custom.*`.",
    "too_deep": "Objects and lists are nested too deeply.",
    "too_many_items": "A list has too many items.",
    "too_many_properties": "`properties` has too many members.",
    "string_too_long": "A text is too long.",
    "nul_character": "A text holds the character U+0000, which databases cannot store.",
    "missing_field": "A required field is absent.",
    "no_identity": "No identifier is present, or none that identifies anybody.",
    "number_for_text": "A number stands where text belongs: ids and amounts are text, as numbers lose digits.",
    "time_without_offset": "A time says neither `Z` nor an offset.",
    "invalid_field": "A field has a value that the published schema does not allow.",
    # A record that is on the wrong log, or in the wrong place there.
    "carried_time_on_live_log": "A record with a carried time, or an end mark, came to a log whose clock is live.",
    "missing_carried_time": "A record on a log with a carried clock has no usable `appended_at` header.",
    "not_on_partition_zero": "A record on a log with a carried clock is not on raw partition 0.",
    "too_many_sources": "Too many sources report watermarks on one raw partition.",
    # What the worker or the dispatcher cannot take.
    "unknown_control_record": "A record of the profile log is for the worker, and it knows no such record.",
    "evaluate": "The program failed on the record, or on the profile at that record; it is a defect of ours.",
    "undecodable": "A command is not as the published schema says.",
    "before_dedupe_horizon": "The event is older than the time for which duplicates are known, and no `backfill`.",
    "conflict": "A copy of an event that was taken before, with another value, other properties or items.",
}

#: Of what is kept only to be looked at: nobody waits for it to be dealt with, and it is not taken later either.
QUARANTINE = frozenset({"conflict"})


class Refused(ValueError):
    """This record cannot be taken. `reason` is a word of `REASONS`; `detail` says what, where and what to do."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        if reason not in REASONS:
            raise AssertionError(f"{reason!r} is not in the list of reasons; add it with a sentence")
        self.reason = reason
        self.detail = detail[:DETAIL_LENGTH_MAX]


def pointer(path: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a place in a document; the document itself is `/`, which reads better than ''."""
    return "/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in path)


def missing(*path: str | int) -> Refused:
    """The refusal of a record without a required field."""
    return Refused("missing_field", f"{pointer(path)} is required and absent or null")


def not_text(path: Iterable[str | int], found: Any) -> Refused:
    """The refusal of a value that should be text; a number has a reason of its own, for it is the usual mistake."""
    if isinstance(found, int | float) and not isinstance(found, bool):
        advice = f'numbers lose digits on the way: write "{found}"'
        return Refused("number_for_text", f"{pointer(path)} is {shown(found)}; {advice}")
    return Refused("invalid_field", f"{pointer(path)} is {shown(found)}; write text")


def shown(value: Any) -> str:
    """A JSON value in a sentence, cut to a readable length."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= SHOWN_LENGTH_MAX else f"{text[:SHOWN_LENGTH_MAX]}…"
    return f"the number {text}" if isinstance(value, int | float) and not isinstance(value, bool) else text
