"""`asks_itself`: `in_flow` with the name of the flow that it stands in, which is true of everybody who is in it.

`filter: { not: { in_flow: welcome } }` in `welcome` lets in whoever is out of it, and then skips each of its messages,
because by then they are in it. Who may enter again is said by `reentry`.
"""

from __future__ import annotations

from collections.abc import Iterator

from streams.flowfile.findings import Findings
from streams.flowfile.lint.subject import Subject
from streams.flowfile.nodes import Listing, Mapping, Node, Scalar, child


def asks_itself(subject: Subject, findings: Findings) -> None:
    """Each place that asks."""
    for place in _asked(subject.root, subject.flow.name):
        findings.note("asks_itself", place, f"`in_flow: {subject.flow.name}` is true of whoever is in this flow")


def _asked(node: Node, flow: str) -> Iterator[Node]:
    if isinstance(node, Listing):
        for item in node.items:
            yield from _asked(item, flow)
    elif isinstance(node, Mapping):
        for key, (_, value) in node.entries.items():
            named = value if isinstance(value, Scalar) else child(value, "flow")
            if key == "in_flow" and isinstance(named, Scalar) and named.text == flow:
                yield named
            else:
                yield from _asked(value, flow)
