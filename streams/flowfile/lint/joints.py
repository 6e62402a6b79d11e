"""`always_true_negation`: `any: [{ country: { ne: US } }, { country: { ne: CA } }]`, which is true of everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from schemas.conditions import AnyOf, Compare, Condition, Consented, EventCount, FactIs, InFlow, Not
from streams.flowfile.lint.subject import Note, Subject

_NEGATIVE = frozenset({"ne", "not_in", "not_contains"})
_POSITIVE = frozenset({"eq", "in", "contains", "starts_with"})


def always_true_negation(subject: Subject, note: Note) -> None:
    """`any` of two negations of one thing (semantics 10)."""
    for place, joint in subject.joined:
        if not isinstance(joint, AnyOf):
            continue
        denied = Counter(name for part in joint.parts for name in _denied(part))
        twice = next((name for name, times in denied.items() if times > 1), None)
        if twice is not None:
            message = f"`any` of several negations of {twice} is true of nearly everything; join them with `all`"
            note("always_true_negation", place, message)


def _denied(part: Condition) -> Iterator[str]:
    """What a part says something is not."""
    if isinstance(part, Not):
        inner = part.part
        compare = inner.compare if isinstance(inner, FactIs) else inner
        if not isinstance(compare, Compare) or compare.operator in _POSITIVE:
            yield from thing(inner)
    elif isinstance(part, Compare | FactIs):
        compare = part.compare if isinstance(part, FactIs) else part
        if compare.operator in _NEGATIVE:
            yield from thing(part)


def thing(condition: Condition) -> Iterator[str]:
    """What a condition speaks of, if others can be laid beside it."""
    match condition:
        case Compare():
            yield f"`{condition.word}`"
        case FactIs():
            yield f"the fact `{condition.compare.word}`"
        case InFlow():
            yield "`in_flow`"
        case Consented():
            yield "`consent`"
        case EventCount():
            yield f"`event_count` of `{condition.of.event}`"
