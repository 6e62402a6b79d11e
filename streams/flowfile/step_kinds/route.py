"""`route`: one way for each text of a word of the trigger, or of a fact."""

from __future__ import annotations

from schemas.steps import Route, Step
from streams.flowfile.nodes import Mapping, Node, cut, shown
from streams.flowfile.reader import Reader
from streams.flowfile.steps import Place, Steps, Target
from streams.flowfile.values import reference


def read(steps: Steps, body: Node, place: Place) -> None:
    """`route: { by: trigger.channel_id, cases: { 2: store_two }, otherwise: { stop: no_branch_matched } }`"""
    reader = steps.reader
    found = reader.fields(body, "`route`", required=("by", "cases", "otherwise"))
    by = reference(reader, found.get("by"), "`by`", steps.scope, kinds=("text",))
    cases = _cases(reader, found.get("cases"))

    def build(*ways: int) -> Step:
        by_text = {text: way for (text, _), way in zip(cases, ways, strict=False)}
        return Route(label=place.label, by=by, cases=by_text, otherwise=ways[-1])

    ways: list[Target] = []
    steps.add(place, ways, build)
    ways.extend(steps.target(way, f"case `{cut(text)}`", after=place.after) for text, way in cases)
    ways.append(steps.target(found.get("otherwise"), "`otherwise`", after=place.after))


def _cases(reader: Reader, node: Node | None) -> list[tuple[str, Node]]:
    """The cases by text. A whole number needs no quotes: it is the text as written."""
    if node is None:
        return []
    reader.asks(node, "cases")
    if not isinstance(node, Mapping) or not node.entries:
        reader.note("wrong_shape", node, f'`cases` must be a mapping such as {{ "2": store_two }}, not {shown(node)}')
        return []
    for key, _ in node.entries.values():
        if not (key.kind == "number" and key.text.isdigit()):
            reader.text(key, "a case")
    return [(text, way) for text, (_, way) in node.entries.items()]
