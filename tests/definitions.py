"""Definitions for tests that have no broker: flows as if they had been published once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agents.definitions.book import ORDER_KEY, Book
from agents.definitions.changes import Make, Stamp, publishing
from agents.flow_files import FlowFile
from schemas import codec
from schemas.activation import definition_key
from schemas.flow import Flow


def flow_file(flow: Flow, source: bytes = b"flow: of a test\n") -> FlowFile:
    """A flow as if it came from a file."""
    return FlowFile(Path(f"{flow.name}.yaml"), source, flow, ())


def book_of(flows: Iterable[Flow]) -> Book:
    """A book in which these are active."""
    return ordered(Book(), publishing([flow_file(flow) for flow in flows]))


def ordered(book: Book, make: Make, *, at: str = "2026-11-20T10:00:00.000Z") -> Book:
    """The same book, with one more order in it."""
    draft = make(book, Stamp(at=at, by="tests"))
    for name, version, definition in draft.definitions:
        book.take(book.next_offset, definition_key(flow=name, version=version), codec.encode(definition))
    if draft.order is not None:
        book.take(book.next_offset, ORDER_KEY + b"%d" % book.next_offset, codec.encode(draft.order))
    return book
