"""Strict YAML: text to a tree of nodes that know where they stand, and nothing that could surprise.

YAML 1.2: `on`, `off`, `yes` and `no` are text. Anchors, aliases, merge keys, tags, directives, a second document and
duplicate keys are findings. Scalars stay as written; `streams.flowfile.reader` says what is expected of each. Nesting
and size are bounded, so any input is answered in time proportional to its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from schemas.limits import FLOW_FILE_BYTES_MAX, FLOW_FILE_VALUES_MAX
from streams.flowfile.findings import Findings
from streams.flowfile.nodes import START, Listing, Mapping, Node, Scalar, cut

DEPTH_MAX = 24


def parse(source: str | bytes, findings: Findings) -> Node:
    """The tree of a file. Raises Unreadable, after noting why, when there is none."""
    return _Parser(_decoded(source, findings), findings).document()


def _decoded(source: str | bytes, findings: Findings) -> str:
    size = len(source) if isinstance(source, bytes) else len(source.encode(errors="surrogatepass"))
    if size > FLOW_FILE_BYTES_MAX:
        raise findings.fatal("too_large", START, f"the file has more than {FLOW_FILE_BYTES_MAX:,} bytes")
    if isinstance(source, str):
        return source
    try:
        return source.decode()
    except UnicodeDecodeError as error:
        before = source[: error.start].decode()
        place = Node(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise findings.fatal("not_utf8", place, f"byte 0x{source[error.start]:02x} is not UTF-8") from None


class _Parser:
    """Builds the tree from parser events, so that depth is known before anything recurses."""

    def __init__(self, text: str, findings: Findings) -> None:
        self._findings = findings
        self._events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
        self._text = text
        self._last = START
        self._values = 0

    def document(self) -> Node:
        event = self._next()
        while not isinstance(event, NodeEvent):
            if isinstance(event, StreamEndEvent):
                raise self._findings.fatal("empty_file", START, "the file is empty")
            if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
                self._findings.note("directive", _place(event), "directives (%YAML, %TAG) are not allowed")
            event = self._next()
        root = self._node(event, 1)
        while not isinstance(event, StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                message = "a file holds one document, and here begins a second one"
                raise self._findings.fatal("second_document", _place(event), message)
            event = self._next()
        return root

    def _next(self) -> Any:
        try:
            return next(self._events)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Node(mark.line + 1, mark.column + 1) if mark else START
            what = ", ".join(part for part in (error.context, error.problem) if part)
            raise self._findings.fatal("syntax", place, f"this is not YAML: {what}") from None
        except YAMLError as error:
            # What is left is a character that YAML does not allow; the error knows its position only.
            before = self._text[: getattr(error, "position", 0)]
            place = Node(before.count("\n") + 1, len(before) - before.rfind("\n"))
            reason = getattr(error, "reason", "it cannot be read")
            raise self._findings.fatal("syntax", place, f"this is not YAML: {reason}") from None
        except (ValueError, OverflowError):
            # An escape beyond the last character, or a number in a directive that is too long for an int.
            message = "this is not YAML: after this place stands a number that is too large for what it means"
            raise self._findings.fatal("syntax", self._last, message) from None

    def _node(self, event: Any, depth: int) -> Node:
        place = self._last = _place(event)
        if isinstance(event, AliasEvent):
            raise self._findings.fatal("anchor", place, "aliases (*name) are not allowed")
        self._values += 1
        if self._values > FLOW_FILE_VALUES_MAX:
            message = f"the file has more than {FLOW_FILE_VALUES_MAX:,} keys, values, lists and mappings"
            raise self._findings.fatal("too_large", place, message)
        if depth > DEPTH_MAX:
            raise self._findings.fatal("too_deep", place, f"nested deeper than {DEPTH_MAX} levels")
        if event.anchor is not None:
            self._findings.note("anchor", place, "anchors (&name) are not allowed")
        if event.tag is not None:
            self._findings.note("tag", place, "tags (!name) are not allowed")
        if isinstance(event, ScalarEvent):
            if any("\ud800" <= character <= "\udfff" for character in event.value):
                raise self._findings.fatal("syntax", place, "this is no text: an escape in it is half a character")
            return Scalar(place.line, place.column, event.value, not event.style)
        if isinstance(event, SequenceStartEvent):
            nodes = map(partial(self._node, depth=depth + 1), iter(self._next_in_list, None))
            return Listing(place.line, place.column, tuple(nodes))
        assert isinstance(event, MappingStartEvent)
        return Mapping(place.line, place.column, self._entries(depth + 1))

    def _next_in_list(self) -> Any:
        event = self._next()
        return None if isinstance(event, SequenceEndEvent) else event

    def _entries(self, depth: int) -> dict[str, tuple[Scalar, Node]]:
        entries: dict[str, tuple[Scalar, Node]] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self._node(event, depth)
            value = self._node(self._next(), depth)
            if isinstance(value, Scalar) and value.plain and not value.text:
                value = Scalar(key.line, key.column, "", True)  # Nothing has no place of its own.
            if not isinstance(key, Scalar):
                self._findings.note("key_not_text", key, "a key must be a word, and here is a list or a mapping")
            elif key.plain and key.text == "<<":
                self._findings.note("anchor", key, "merge keys (<<) are not allowed")
            elif key.text in entries:
                first = entries[key.text][0].line
                self._findings.note("duplicate_key", key, f"`{cut(key.text)}` stands here already, on line {first}")
            else:
                entries[key.text] = (key, value)
        return entries


def _place(event: Any) -> Node:
    return Node(event.start_mark.line + 1, event.start_mark.column + 1)
