"""Issue 5, section 8: the work of a large file is in proportion to its size, whatever it is large with.

Work is counted in calls of functions: ten times the text may take some ten times as many, and not a hundred.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import combinations, product
from typing import Any

import pytest

from schemas.conditions import All, Compare, Condition, Operator
from schemas.limits import FLOW_FILE_VALUES_MAX
from streams.flowfile import check, load
from streams.flowfile.findings import Findings
from streams.flowfile.lint import Subject, contradictions
from streams.flowfile.meanings import MEANINGS
from streams.flowfile.nodes import START
from streams.flowfile.reader import Joined
from streams.flowfile.surroundings import NOWHERE
from tests.fuzz.properties import at_most, in_proportion

SMALL, TIMES = 1_500, 10
SLACK = 1.05  # of proportion
STOP = "steps: [{ stop: done }]\n"
HEAD = "flow: f\nentry: { trigger: { event: checkout_started }, reentry: always }\n"
OWN = "flow: f\nentry:\n  reentry: always\n  trigger: { event: custom_x, words: {"
LATE = (
    "flow: f\nexit: [{ when: { event: order_placed } }]\nentry: { reentry: always, trigger: { event: checkout_started, "
)
MESSAGE = "{ send: { channel: log, template: t } }"


def entry(rest: str, trigger: str = "event: product_viewed") -> str:
    return f"flow: f\nentry: {{ trigger: {{ {trigger} }}, reentry: always, {rest}"


#: What comes once before, what is repeated with a number for `#`, and what comes once behind.
SHAPES: dict[str, tuple[str, str, str]] = {
    "words that are not": (entry("where: { all: ["), '{ sku: { ne: "#" } }', "] } }\n" + STOP),
    "words that may be": (entry("where: { all: ["), "{ sku: { in: [a, b#] } }", "] } }\n" + STOP),
    "words denied": (entry("where: { any: ["), "{ sku: { ne: a# } }", "] } }\n" + STOP),
    "facts denied": (entry("filter: { any: ["), "{ in_flow: f# }", "] } }\n" + STOP),
    "bounds above": (entry("where: { all: ["), "{ quantity: { lt: 1# } }", "] } }\n" + STOP),
    "bounds on both sides": (entry("where: { all: ["), "{ quantity: { lt: 1#, gt: -1# } }", "] } }\n" + STOP),
    "all in all": (entry("where: { all: [{ all: [{ all: ["), "{ sku: { ne: a# } }", "] }] }] } }\n" + STOP),
    "many of all": (entry("where: { any: ["), "{ all: [{ sku: { eq: a } }, { sku: { eq: b } }] }", "] } }\n" + STOP),
    "not not": (entry("where: { any: ["), "{ not: { not: { not: { sku: { eq: a# } } } } }", "] } }\n" + STOP),
    "denied all": (
        entry("where: { any: ["),
        "{ not: { all: [{ sku: { eq: a# } }, { not: { any: [{ sku: { ne: b# } }] } }] } }",
        "] } }\n" + STOP,
    ),
    "asked both ways": (
        entry("where: { all: ["),
        "{ sku: { eq: a# } }, { not: { sku: { eq: a# } } }",
        "] } }\n" + STOP,
    ),
    "bounds denied": (entry("where: { any: ["), "{ not: { quantity: { lt: 1# } } }", "] } }\n" + STOP),
    "a long list": (entry("where: { sku: { in: ["), "a#", "] } } }\n" + STOP),
    "a long word": (entry("where: { sku: { eq: "), "a", "} } }\n" + STOP),
    "flows": (entry("filter: { all: ["), "{ in_flow: f# }", "] } }\n" + STOP),
    "items": (
        entry("where: { all: [", "event: checkout_started"),
        "{ items: { any: { sku: { eq: a# } } } }",
        "] } }\n" + STOP,
    ),
    "plug-ins": (entry("filter: { all: ["), "{ plugin: { name: p#, version: 1 } }", "] } }\n" + STOP),
    "exit rules": (HEAD + STOP + "exit: [", "{ when: { event: custom_# } }", "]\n"),
    "exit rules of one event": (
        HEAD + STOP + "exit: [",
        "{ when: { event: order_placed, where: { order_id: { eq: a# } } } }",
        "]\n",
    ),
    "exit rules of sources": (HEAD + STOP + "exit: [", "{ when: { event: order_placed, source: [a, b#] } }", "]\n"),
    "exit rules on the person": (HEAD + STOP + "exit: [", "{ when: { person: { in_flow: f# } }, reason: r }", "]\n"),
    "branches": (HEAD + "steps: [{ wait_event: { timeout: 2d, branches: [", "{ event: custom_# }", "] } }]\n"),
    "cases": (
        HEAD + "steps: [{ route: { by: trigger.checkout_id, otherwise: z, cases: {",
        "c#: z",
        "} } }, { label: z, stop: done }]\n",
    ),
    "steps": (HEAD + "steps:\n", "  - wait: { for: 1h }\n", "  - stop: done\n"),
    "declared words": (OWN, "w#: text", "} }\n" + STOP),
    "late sources": (
        LATE + "source: [",
        "magento1/s#",
        "] } }\nsteps: [" + "{ wait: { for: 1s } }, " * 150 + MESSAGE + "]\n",
    ),
    "late sources and rules": (
        LATE + "source: [" + "s, " * 99 + "s] } }\nsteps: [" + MESSAGE + ", ",
        "{ wait_event: { event: custom_#, timeout: 1d } }",
        "]\n",
    ),
    "gates": (
        LATE + "source: [" + ", ".join(f"magento1/s{n}" for n in range(99)) + "] } }\nsteps: [{ settle: { sources: [",
        "magento1/s#",
        "] } }, " + MESSAGE + "]\n",
    ),
    "variables": (
        HEAD + "steps: [{ send: { channel: log, template: t, variables: {",
        "v#: trigger.checkout_id",
        "} } }]\n",
    ),
    "facts set": (HEAD + "steps: [{ set: {", "v#: trigger.checkout_id", "} }]\n"),
    "comments": (HEAD, "# c#\n", STOP),
    "long keys": (HEAD, "k" * 300 + "#: a\n", STOP),
    "anchors": (HEAD + "steps: [", "&a# x", "]\n"),
    "one key again": (HEAD + "steps: {", "a: b", "}\n"),
    "lists in lists": (HEAD + "steps: [", "[[[[[[[[[[a]]]]]]]]]]", "]\n"),
    "lines of a text": ("flow: |\n", "  a#\n", HEAD),
}


def text_of(shape: tuple[str, str, str], size: int) -> str:
    before, repeated, behind = shape
    between = "" if len(repeated) == 1 or repeated.endswith("\n") else ", "
    times = size // len(repeated + between)
    return before + between.join(repeated.replace("#", f"{number:05}") for number in range(times)) + behind


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_grows_as_the_file_does(shape: str) -> None:
    small, large = (text_of(SHAPES[shape], size) for size in (SMALL, SMALL * TIMES))
    check(small, name="f.yaml")  # What is made once for all files is made now.
    with at_most(sys.maxsize) as calls:
        check(small, name="f.yaml")
    with at_most(int(calls() * len(large) / len(small) * SLACK)):
        check(large, name="f.yaml")


def test_more_values_than_allowed() -> None:
    text = "[" + "a," * FLOW_FILE_VALUES_MAX + "]"  # and the list itself
    [finding] = check(text, name="f.yaml").findings
    assert (finding.code, finding.column) == ("too_large", 2 * FLOW_FILE_VALUES_MAX)


def test_many_unknown_words_are_found_when_no_more_suggestions_are_sought() -> None:
    unknown = "{ wrod_00000: { eq: a } }, " * 99
    shape = (OWN, "word_#: text", "} }\n  where: { all: [" + unknown + "] }\n" + STOP)
    few, many = (text_of(shape, size) for size in (500, 60_000))
    assert [one.suggestion for one in check(few, name="f.yaml").findings] == ["word_00000"] * 99
    with in_proportion(many):
        found = check(many, name="f.yaml").findings
    assert [one.code for one in found] == ["unknown_word"] * 99
    assert {one.suggestion for one in found} == {"word_00000", MEANINGS["unknown_word"].next_step}


class Word(str):
    """A text that is compared by a call that counts."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def joined(parts: Sequence[Condition]) -> list[str]:
    """What `never_true` says of `all` of them."""
    flow = load(HEAD + STOP, name="f.yaml")
    findings = Findings("f.yaml")
    whole = All(parts=tuple(parts))
    contradictions.never_true(Subject(flow, START, (), [Joined(START, whole, denied=False)], NOWHERE), findings)
    return [one.message for one in findings]


@pytest.mark.parametrize(("operator", "others"), [("in", "b"), ("not_in", "a")])
def test_two_long_lists_are_compared_value_by_value_and_no_more(operator: Operator, others: str) -> None:
    lists = ([Word(f"{side}{number}") for number in range(5_000)] for side in ("a", others))
    operators: tuple[Operator, Operator] = ("in", operator)
    parts = [
        Compare(word="sku", kind="text", operator=each, operand=values)
        for each, values in zip(operators, lists, strict=True)
    ]
    with at_most(200_000):
        said = joined(parts)
    assert said == [f"`sku` cannot satisfy both this `in` and `{operator}`"]


NUMBERS = [Decimal(half) / 2 for half in range(-4, 20)]
HOLDS: dict[str, Callable[[Decimal, Any], bool]] = {
    "eq": lambda value, operand: value == operand, "in": lambda value, operand: value in operand,
    "ne": lambda value, operand: value != operand, "not_in": lambda value, operand: value not in operand,
    "gt": lambda value, operand: value > operand, "gte": lambda value, operand: value >= operand,
    "lt": lambda value, operand: value < operand, "lte": lambda value, operand: value <= operand,
}  # fmt: skip
OPERATORS: tuple[Operator, ...] = ("eq", "in", "ne", "not_in", "gt", "gte", "lt", "lte", "is_set", "is_not_set")


def exclude(one: Compare, other: Compare) -> bool:
    """Whether no value, and no absence of one, satisfies both. Of `in` beside an order it is silent."""
    operators = {one.operator, other.operator}
    if one.word != other.word:
        return False
    if "in" in operators and operators & {"gt", "gte", "lt", "lte"}:
        return False
    return not any(satisfies(one, value) and satisfies(other, value) for value in (None, *NUMBERS))


def satisfies(compare: Compare, value: Decimal | None) -> bool:
    if compare.operator in ("is_set", "is_not_set"):
        return (value is None) == (compare.operator == "is_not_set")
    return value is not None and HOLDS[compare.operator](value, compare.operand)


def drawn(dice: random.Random) -> Compare:
    operator = dice.choice(OPERATORS if dice.random() < 0.1 else OPERATORS[:-1])
    operand = [dice.randrange(8) for _ in range(dice.randint(1, 5))] if operator.endswith("in") else dice.randrange(8)
    return Compare(
        word=dice.choice("ab"), kind="number", operator=operator, operand=None if operator.startswith("is") else operand
    )


@pytest.mark.parametrize("seed", range(400))
def test_the_first_two_parts_that_exclude_each_other_are_named(seed: int) -> None:
    dice = random.Random(seed)
    parts = [[drawn(dice) for _ in range(dice.choice((1, 1, 1, 3)))] for _ in range(dice.randint(2, 7))]
    expected = next(
        (
            f"`{one.word}` cannot satisfy both this `{one.operator}` and `{other.operator}`"
            for mine, others in combinations(parts, 2)
            for one, other in product(mine, others)
            if exclude(one, other)
        ),
        None,
    )
    said = joined([All(parts=tuple(part)) if len(part) > 1 else part[0] for part in parts])
    assert said == ([] if expected is None else [expected])
