"""Two copies of an event that say different things: the one that counts, and how the other one differs from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from schemas import codec
from schemas.dead_letter import DeadLetter
from schemas.event import dedupe_identity
from schemas.limits import DEPTH_MAX
from schemas.refusals import pointer
from streams.unit import Record

#: What makes a copy a conflicting one (semantics 1.4); anything else may differ.
COUNTED = ("value", "properties", "items")
#: Where a copy has no such field.
ABSENT = object()


class Copy(NamedTuple):
    """The copy that counts."""

    offset: int
    appended_at: int
    value: bytes


class Difference(NamedTuple):
    """A field, as a JSON pointer, and what each copy has there, which may be ABSENT."""

    field: str
    first: Any
    copy: Any

    @property
    def counts(self) -> bool:
        """Whether the two would not be copies that conflict without it."""
        return self.field.split("/")[1] in COUNTED


class Search:
    """Goes through records of a partition for the event that a copy conflicts with, taken in a known second."""

    def __init__(self, copy: DeadLetter, *, first_at: int, cut: bool) -> None:
        """`cut`: the log has forgotten what was before these records. If they begin within the second, nobody can tell
        whether a copy among them was the first, and none is found.
        """
        self._key, self._wanted, self._first_at = copy.key, _identity(copy.value), first_at
        self._cut, self._now_at = cut, 0

    def among(self, records: Iterable[Record]) -> Copy | None:
        """The first of them that is this event and was taken in that second; they follow those asked before."""
        for record in records:
            if self._cut and self._now_at == 0 and record.appended_at >= self._first_at:
                return None
            self._now_at = max(self._now_at, record.appended_at)
            in_time = self._first_at <= self._now_at < self._first_at + 1_000
            if in_time and record.key == self._key and _identity(record.value) == self._wanted:
                return Copy(record.offset, record.appended_at, record.value)
        return None


def differences(first: bytes, copy: bytes) -> list[Difference]:
    """Of two events as they stand in the log, field by field; what makes them conflict comes first."""
    left, right = dict(_fields(codec.parse(first))), dict(_fields(codec.parse(copy)))
    both = (Difference(pointer(path), left.get(path, ABSENT), right.get(path, ABSENT)) for path in left | right)
    found = (one for one in both if type(one.first) is not type(one.copy) or one.first != one.copy)
    return sorted(found, key=lambda one: not one.counts)


def _identity(value: bytes | None) -> tuple[str, str] | None:
    try:
        event = codec.decode_event(value or b"")
    except codec.Undecodable:
        return None
    return event.type, dedupe_identity(event)


def _fields(found: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every leaf with its path. What is nested deeper than an event may be is one leaf."""
    if len(path) <= DEPTH_MAX and found and isinstance(found, dict | list):
        for name, member in found.items() if isinstance(found, dict) else enumerate(found):
            yield from _fields(member, *path, str(name))
    else:
        yield path, found
