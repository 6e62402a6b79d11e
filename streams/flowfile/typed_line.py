"""Typed lines: what somebody types into a rehearsal, read as a line of a timeline file would be.

checkout_started checkout_id=C1 total=80.00          as { at: now, checkout_started: { profile: me, ... } }
profile_updated country=null                         unsets a fact; in quotes it is a text
order_placed at=10:10 profile=p2 checkout_id=C1      what stands around the words of an event goes there
watermark shop.orders 10:58                          complete through now, if no time is named
{ at: "10:00", checkout_started: { profile: p1 } }   a line of a timeline file as it is
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Words

from schemas.catalog import BY_SHORT, Kind, words_of
from schemas.facts import STATING
from schemas.flow import Flow
from schemas.instants import to_wire
from streams.flowfile.findings import FlowFileError, Unreadable
from streams.flowfile.nodes import START, Mapping, Node, Scalar
from streams.flowfile.reader import Reader
from streams.flowfile.strict_yaml import parse
from streams.flowfile.timeline_event import time_of
from streams.flowfile.timeline_file import ENVELOPE, NO_FACTS, TimelineReader
from streams.timeline import Happens

ME = "me"  # whom an event is about that names nobody
_WORD = re.compile(r'([A-Za-z_]+)=("[^"]*"|\[[^]]*\]|\S*)\s*')
_AS_WRITTEN = ("number", "boolean")  # kinds whose values stand without quotes


class TypedLines:
    """Reads one line after the other. `people` are those that were named: profile id to name."""

    def __init__(self, flow: Flow, *beside: Flow, facts: Words[str, Kind] = NO_FACTS) -> None:
        self._flow, self._beside, self._facts = flow, beside, facts
        self._number = 0
        self.people: dict[str, str] = {}

    def read(self, text: str, *, now: int) -> Happens:
        """What the line says happens. Raises FlowFileError when it says nothing that can be understood."""
        self._number += 1
        reader = Reader("line")
        happens = Happens(now, None)
        try:
            line = TimelineReader(reader, self._flow, *self._beside, facts=self._facts)
            is_yaml = "{" in text[:3]
            node = parse(text.removeprefix("- "), reader.findings) if is_yaml else _node(line, text, now)
            happens = line.happens(_complete(node, now), self._number)
            self.people |= line.people
        except Unreadable:
            pass  # The findings say why.
        if reader.findings:
            raise FlowFileError(reader.findings.in_order())
        return happens._replace(at=max(happens.at, now))

    def time(self, text: str) -> int:
        """`10:40` on the day of the timelines, or a full time. Raises FlowFileError."""
        reader = Reader("line")
        at = time_of(reader, _text(text), "`until`")
        if reader.findings:
            raise FlowFileError(reader.findings.in_order())
        return at


def _node(line: TimelineReader, text: str, now: int) -> Node:
    kind, _, rest = text.partition(" ")
    if kind == "watermark":
        source, _, through = rest.strip().partition(" ")
        said = {"source": _text(source), "complete_through": _text(through.strip() or to_wire(now))}
        return _mapping({kind: _mapping(said)})
    if kind not in BY_SHORT and not kind.startswith("custom_"):
        return _mapping({kind: _mapping({})})  # what it is must be said first
    findings, declared = line.reader.findings, words_of(kind) | line.declared.get(kind, {})
    words: dict[str, Node] = {}
    around: dict[str, Node] = {}
    for name, value in _WORD.findall(rest):
        if name in ENVELOPE:
            around[name] = _text(value.strip('"'))
        elif value[:1] == "[":
            words[name] = parse(value, findings)
        else:
            known = declared.get(name)
            plain = (known is not None and known.kind in _AS_WRITTEN) or (kind in STATING and value == "null")
            words[name] = Scalar(1, 1, value.strip('"'), plain)
    if left := _WORD.sub("", rest).strip():
        advice = f'Write for example `{kind} total=80.00 name="Mug, blue"`.'
        raise findings.fatal("wrong_shape", START, f"`{left}` is no word=value", advice=advice)
    return _mapping({**around, kind: _mapping(words)})


def _complete(node: Node, now: int) -> Node:
    """With the time and the person that a line leaves out."""
    if not isinstance(node, Mapping):
        return node
    entries = dict(node.entries)
    for key, (place, body) in node.entries.items():
        about_nobody = isinstance(body, Mapping) and not {"profile", "anonymous"} & body.entries.keys()
        if isinstance(body, Mapping) and about_nobody and key != "watermark":
            me = _mapping({"profile": _text(ME)}).entries
            entries[key] = (place, Mapping(body.line, body.column, {**me, **body.entries}))
    if not {"at", "advance", "end"} & entries.keys():
        entries["at"] = (_text("at"), _text(to_wire(now)))
    return Mapping(node.line, node.column, entries)


def _mapping(words: Words[str, Node]) -> Mapping:
    return Mapping(1, 1, {name: (_text(name), value) for name, value in words.items()})


def _text(text: str) -> Scalar:
    return Scalar(1, 1, text, plain=False)
