"""`last_event: { event: order_placed, where: { channel_id: { eq: "2" } }, ago: { lt: 30d } }`."""

from __future__ import annotations

from schemas.conditions import Condition, EventMatch, LastEvent
from streams.flowfile.comparisons import Scope
from streams.flowfile.events import Compile, named_event
from streams.flowfile.nodes import Node
from streams.flowfile.predicates.event_count import TESTS, never_fits
from streams.flowfile.reader import Reader


def read(reader: Reader, node: Node, scope: Scope, compile_: Compile) -> Condition:
    """`where` is asked of the newest event, it does not choose one."""
    optional = ("source", "words", "where", "ago")
    found = reader.fields(node, "`last_event`", required=("event",), optional=optional)
    if found and "where" not in found and "ago" not in found:
        reader.note(
            "missing_key",
            node,
            "`last_event` asks for `where` or `ago`",
            advice="Add one of the two; whether there is such an event says `event_count`.",
        )
    named = named_event(reader, found, compile_)
    ago = reader.fields(found.get("ago"), "`ago`", optional=TESTS)
    if "ago" in found and not ago:
        reader.note("empty", found["ago"], "`ago` needs a comparison such as { lt: 30d }")
    ages = tuple((test, reader.duration(ago[test], f"`{test}`", least_ms=0)) for test in TESTS if test in ago)
    never_fits(reader, found.get("ago", node), "`ago`", ages)
    return LastEvent(
        of=EventMatch(event=named.match.event, sources=named.match.sources, words=named.match.words),
        part=named.match.where,
        ago_ms=ages,
    )
