"""`set`: facts of the person."""

from __future__ import annotations

from schemas.facts import OBSERVED
from schemas.limits import SET_MAX
from schemas.steps import SetFact, Value
from streams.flowfile.comparisons import Scope
from streams.flowfile.nodes import Mapping, Node, cut, shown
from streams.flowfile.reader import FACT, TRIGGER
from streams.flowfile.steps import Place, Steps
from streams.flowfile.values import values
from streams.words import is_kind


def read(steps: Steps, body: Node, place: Place) -> None:
    """`set: { last_cart: trigger.checkout_id, nudged: true }`"""
    mistakes = len(steps.reader.findings)
    facts = values(steps.reader, body, "`set`", steps.scope, most=SET_MAX)
    if isinstance(body, Mapping) and len(steps.reader.findings) == mistakes:
        for name, (key, node) in body.entries.items():
            _check(steps, key, node, name, facts[name])
    steps.add(place, (place.after,), lambda after: SetFact(label=place.label, facts=facts, next=after))


def _check(steps: Steps, key: Node, node: Node, name: str, value: Value) -> None:
    """What we see ourselves nobody states, and what is declared is stated in its kind."""
    declared = steps.scope.facts.get(name)
    if name in OBSERVED:
        steps.reader.note("out_of_place", key, f"`{cut(name)}` is what we see ourselves, and cannot be set")
    elif declared is not None and value.origin == "literal":
        if not is_kind(value.of, declared.kind):
            steps.reader.note("wrong_kind", node, f"the fact `{cut(name)}` is {declared.kind}, and not {shown(node)}")
    elif declared is not None:
        written, kind = _referred(value, steps.scope)
        dated = kind == "text" and declared.kind in ("date", "instant")  # as platforms write dates
        if kind not in (None, declared.kind) and not dated:
            message = f"the fact `{cut(name)}` is {declared.kind}, and `{cut(written)}` is {kind}"
            steps.reader.note("wrong_kind", node, message)


def _referred(value: Value, scope: Scope) -> tuple[str, str | None]:
    """A reference as it is written, and its kind; None when nobody knows."""
    if value.origin == "fact":
        fact = scope.facts.get(value.of)
        return FACT + value.of, None if fact is None else fact.kind
    word = (scope.words or {}).get(value.of)
    return TRIGGER + value.of, None if word is None else word.kind
