"""`event_count: { event: order_placed, in_last: 30d, gte: 2 }`, or `since: start`, and with `match`."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.conditions import Compare, Condition, EventCount, Operator
from streams.flowfile.comparisons import Scope
from streams.flowfile.events import Compile, matched, named_event
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader, listed

TESTS: tuple[Operator, ...] = ("eq", "ne", "gt", "gte", "lt", "lte")
COUNT_MAX = 1_000_000


def read(reader: Reader, node: Node, scope: Scope, compile_: Compile) -> Condition:
    """At least one test of the number must stand there."""
    optional = ("source", "words", "where", "match", "in_last", "since", *TESTS)
    found = reader.fields(node, "`event_count`", required=("event",), optional=optional)
    named = named_event(reader, found, compile_)
    tests = tuple(
        Compare(word="count", kind="number", operator=test, operand=_number(reader, found[test], test))
        for test in TESTS
        if test in found
    )
    if found and not tests:
        reader.note(
            "missing_key",
            node,
            f"`event_count` needs a number to compare with: {listed(TESTS, 'or')}",
            advice="Add `gte: 1`, if at least one is meant.",
        )
    never_fits(reader, node, "`event_count`", [(one.operator, one.operand) for one in tests])
    if "since" in found and "in_last" in found:
        reader.note(
            "bad_choice",
            found["in_last"],
            "`event_count` counts `in_last` or `since: start`, not both",
            advice="Keep one of the two.",
        )
    reader.choice(found.get("since"), "`since`", ("start",))
    return EventCount(
        of=named.match,
        match=matched(reader, found.get("match"), named, scope),
        within_ms=reader.duration(found.get("in_last"), "`in_last`"),
        since_start="since" in found,
        tests=tests,
    )


def _number(reader: Reader, node: Node, test: str) -> int:
    return reader.integer(node, f"`{test}`", least=0, most=COUNT_MAX)


def never_fits(reader: Reader, node: Node, what: str, tests: Sequence[tuple[str, int]]) -> None:
    """Note tests that no whole number from 0 on satisfies."""
    least = max((bound + (test == "gt") for test, bound in tests if test in ("gt", "gte", "eq")), default=0)
    most = min((bound - (test == "lt") for test, bound in tests if test in ("lt", "lte", "eq")), default=None)
    if most is not None and (least > most or (least == most and ("ne", least) in tests)):
        said = listed(dict.fromkeys(test for test, _ in tests))
        reader.note("never_true", node, f"no number satisfies the {said} of {what}")
