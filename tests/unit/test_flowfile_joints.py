"""Conditions that nearly everything satisfies, and those that nothing does, however deep the `not` stands."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.unit.test_flowfile_lint import flow, found, places

Truth = Callable[[float], bool]
HOLDS: dict[str, Callable[[float, float], bool]] = {
    "eq": lambda value, operand: value == operand, "ne": lambda value, operand: value != operand,
    "gt": lambda value, operand: value > operand, "gte": lambda value, operand: value >= operand,
    "lt": lambda value, operand: value < operand, "lte": lambda value, operand: value <= operand,
}  # fmt: skip


class TestJoints:
    """`any` of negations is true of everything, `all` of different equals of nothing (semantics 10)."""

    @pytest.mark.parametrize(
        "parts",
        [
            '{ store: { ne: "us" } }, { store: { ne: "ca" } }',
            '{ store: { not_in: ["us"] } }, { campaign: { is_set: true } }, { not: { store: { eq: "ca" } } }',
            '{ not: { store: { in: ["us"] } } }, { not: { store: { in: ["ca"] } } }',
            '{ coupon: { not_contains: "A" } }, { coupon: { not_contains: "B" } }',
            # nested
            '{ not: { any: [{ store: { eq: "us" } }] } }, { not: { all: [{ store: { eq: "ca" } }] } }',
            '{ store: { ne: "us" } }, { any: [{ campaign: { eq: "x" } }, { store: { ne: "ca" } }] }',
            '{ not: { not: { store: { ne: "us" } } } }, { not: { not: { not: { store: { eq: "ca" } } } } }',
            '{ store: { ne: "us" } }, { not: { all: [{ store: { eq: "ca" } }, { campaign: { eq: "x" } }] } }',
            # together they are all that there is
            '{ store: { eq: "us" } }, { store: { ne: "us" } }',
            '{ store: { eq: "us" } }, { not: { store: { eq: "us" } } }',
            '{ store: { in: ["us", "ca"] } }, { store: { not_in: ["us", "ca"] } }',
            '{ store: { in: ["ca", "us"] } }, { store: { not_in: ["us"] } }',
            '{ store: { in: ["ca", "us"] } }, { store: { ne: "us" } }',
            "{ store: { is_set: true } }, { store: { is_not_set: true } }",
            "{ store: { is_set: true } }, { not: { store: { is_set: true } } }",
            '{ store: { is_set: true } }, { store: { ne: "us" } }',
            '{ store: { ne: "us" } }, { not: { store: { is_not_set: true } } }',
            '{ total: { gte: { money: "5", currency: USD } } }, { total: { lt: { money: "9", currency: USD } } }',
        ],
    )
    def test_any_of_negations(self, parts: str) -> None:
        entry = f"trigger: {{ event: order_placed }}, where: {{ any: [{parts}] }}"
        assert places(flow("{ stop: done }", entry=entry)) == ["2:53 warning always_true_negation"]

    @pytest.mark.parametrize(
        "parts",
        [
            '{ store: { ne: "us" } }, { campaign: { ne: "x" } }',
            '{ store: { ne: "us" } }, { store: { eq: "ca" } }',
            '{ store: { ne: "us" } }, { not: { store: { eq: "us" } } }',
            '{ not: { store: { ne: "us" } } }, { not: { store: { ne: "ca" } } }',
            '{ not: { not: { store: { eq: "us" } } } }, { not: { not: { store: { eq: "ca" } } } }',
            '{ not: { any: [{ store: { eq: "us" } }, { store: { eq: "ca" } }] } }, { campaign: { ne: "x" } }',
            '{ not: { all: [{ coupon: { contains: "A" } }, { coupon: { contains: "B" } }] } }, { store: { eq: "us" } }',
            '{ store: { is_set: true } }, { store: { eq: "us" } }',
            '{ store: { is_not_set: true } }, { store: { ne: "us" } }',
            '{ total: { gte: { money: "5", currency: USD } } }, { total: { lt: { money: "9", currency: EUR } } }',
            '{ total: { gt: { money: "9", currency: USD } } }, { total: { lt: { money: "5", currency: USD } } }',
        ],
    )
    def test_other_alternatives(self, parts: str) -> None:
        entry = f"trigger: {{ event: order_placed }}, where: {{ any: [{parts}] }}"
        assert found(flow("{ stop: done }", entry=entry)) == []

    @pytest.mark.parametrize(
        "denied",
        [
            '{ all: [{ store: { eq: "us" } }, { store: { eq: "ca" } }] }',
            '{ store: { eq: "us", in: ["ca"] } }',
            '{ all: [{ store: { is_not_set: true } }, { store: { eq: "us" } }] }',
            '{ all: [{ store: { eq: "us" } }, { not: { any: [{ store: { ne: "ca" } }] } }] }',
            "{ all: [{ quantity: { gt: 5 } }, { quantity: { lt: 5 } }] }",
            '{ all: [{ not: { store: { eq: "us" } } }, { store: { eq: "us" } }] }',
        ],
    )
    def test_not_of_what_never_holds_always_does(self, denied: str) -> None:
        entry = f"trigger: {{ event: product_viewed }}, where: {{ not: {denied} }}"
        assert [one.code for one in found(flow("{ stop: done }", entry=entry))] == ["always_true_negation"]
        twice = entry.replace("not: ", "not: { not: ", 1) + " }"
        assert [one.code for one in found(flow("{ stop: done }", entry=twice))] == ["never_true"]

    @pytest.mark.parametrize(
        ("condition", "codes"),
        [
            ("any: [{ not: { consent: email } }, { not: { consent: sms } }]", []),
            ('any: [{ not: { consent: email } }, { not: { consent: { channel: email, storefront: "2" } } }]', []),
            ("not: { all: [{ consent: email }, { consent: sms }] }", []),
            ("any: [{ not: { in_flow: a } }, { not: { in_flow: b } }]", []),
            ("any: [{ consent: email }, { not: { consent: email } }]", ["always_true_negation"]),
            ("any: [{ in_flow: a }, { not: { in_flow: a } }]", ["always_true_negation"]),
            ("all: [{ in_flow: a }, { not: { in_flow: a } }]", ["never_true"]),
            ("not: { any: [{ consent: email }, { not: { consent: email } }] }", ["never_true"]),
            (
                "any: [{ event_count: { event: order_placed, gte: 1 } }, "
                "{ event_count: { event: order_placed, eq: 0 } }]",
                ["always_true_negation"],
            ),
            (
                "all: [{ event_count: { event: order_placed, gte: 1 } }, "
                "{ not: { event_count: { event: order_placed, gt: 0 } } }]",
                ["never_true"],
            ),
            (
                "all: [{ event_count: { event: order_placed, gte: 1 } }, "
                "{ event_count: { event: order_placed, in_last: 7d, eq: 0 } }]",
                [],
            ),
            (
                "any: [{ fact: { country: { ne: US } } }, { not: { fact: { country: { eq: CA } } } }]",
                ["always_true_negation"],
            ),
            (
                "not: { all: [{ fact: { country: { eq: US } } }, { fact: { country: { eq: CA } } }] }",
                ["always_true_negation"],
            ),
        ],
    )
    def test_what_is_asked_of_the_person(self, condition: str, codes: list[str]) -> None:
        entry = f"trigger: {{ event: product_viewed }}, filter: {{ {condition} }}"
        assert [one.code for one in found(flow("{ stop: done }", entry=entry))] == codes

    @pytest.mark.parametrize(
        "condition",
        [
            '{ all: [{ store: { eq: "us" } }, { store: { eq: "ca" } }] }',
            '{ store: { eq: "us", in: ["ca", "mx"] } }',
            '{ all: [{ store: { eq: "us" }, campaign: { eq: "x" } }, { not: { url: { is_set: true } } }, '
            '{ store: { eq: "ca" } }] }',
            "{ quantity: { gt: 5, lt: 5 } }",
            "{ quantity: { gte: 2.50, lte: 2.4 } }",
            '{ price: { eq: { money: "5", currency: USD }, gt: { money: "5.00", currency: USD } } }',
            '{ price: { gte: { money: "1", currency: USD }, lt: { money: "5", currency: EUR } } }',
            "{ brand: { is_not_set: true, starts_with: A } }",
            '{ not: { any: [{ store: { ne: "us" } }, { store: { ne: "ca" } }] } }',
            '{ store: { eq: "us" }, not: { store: { eq: "us" } } }',
            '{ all: [{ store: { eq: "us" } }, { store: { ne: "us" } }] }',
            "{ categories: { contains: a }, not: { categories: { contains: a } } }",
            "{ all: [{ not: { brand: { is_set: true } } }, { brand: { starts_with: A } }] }",
            "{ all: [{ not: { quantity: { lt: 5 } } }, { quantity: { lt: 5 } }] }",
        ],
    )
    def test_all_of_what_excludes_each_other(self, condition: str) -> None:
        entry = f"trigger: {{ event: product_viewed }}, where: {condition}"
        assert [one.code for one in found(flow("{ stop: done }", entry=entry))] == ["never_true"]

    @pytest.mark.parametrize(
        "condition",
        [
            '{ store: { ne: "us", in: ["us", "ca"] } }',
            '{ store: { eq: "us" }, campaign: { eq: "ca" } }',
            "{ quantity: { gte: 5, lte: 5 } }",
            "{ quantity: { in: [1, 2], eq: 2.0 } }",
            '{ price: { gte: { money: "5", currency: USD }, lt: { money: "5.01", currency: USD } } }',
            "{ categories: { contains: a, not_contains: b } }",
        ],
    )
    def test_all_of_what_can_be(self, condition: str) -> None:
        entry = f"trigger: {{ event: product_viewed }}, where: {condition}"
        assert found(flow("{ stop: done }", entry=entry)) == []


def drawn(dice: random.Random, depth: int) -> tuple[str, Truth]:
    """A condition on one number, and what it means."""
    kind = dice.choice(("compare", "compare", "not", "all", "any")) if depth else "compare"
    if kind == "compare":
        operator, operand = dice.choice(tuple(HOLDS)), dice.randrange(4)
        return f"{{ quantity: {{ {operator}: {operand} }} }}", lambda value: HOLDS[operator](value, operand)
    if kind == "not":
        text, truth = drawn(dice, depth - 1)
        return f"{{ not: {text} }}", lambda value: not truth(value)
    parts = [drawn(dice, depth - 1) for _ in range(2)]
    judge = all if kind == "all" else any
    return f"{{ {kind}: [{', '.join(text for text, _ in parts)}] }}", lambda value: judge(
        each(value) for _, each in parts
    )


@pytest.mark.parametrize("seed", range(300))
def test_what_is_said_of_a_whole_condition_is_so_of_every_number(seed: int) -> None:
    """And of two comparisons alone, whatever is so of every number is said."""
    dice = random.Random(seed)
    parts, denied = [drawn(dice, dice.choice((0, 0, 2))) for _ in range(2)], dice.random() < 0.3
    key, judge = dice.choice((("all", all), ("any", any)))
    joint = f"{key}: [{', '.join(text for text, _ in parts)}]"
    condition = f"not: {{ {joint} }}" if denied else joint
    entry = f"trigger: {{ event: product_viewed }}, where: {{ {condition} }}"
    answers = {judge(each(half / 2) for _, each in parts) != denied for half in range(-2, 10)}
    column = len("entry: { " + entry[: entry.index(joint)]) + 1
    said = {one.code for one in found(flow("{ stop: done }", entry=entry)) if one.column == column}
    if "never_true" in said:
        assert answers == {False}
    if "always_true_negation" in said:
        assert answers == {True}
    if "all:" not in str(parts) and "any:" not in str(parts) and len(answers) == 1:
        assert said == {"always_true_negation" if answers == {True} else "never_true"}
