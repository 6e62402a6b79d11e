"""Interest: the flows that an event may begin are found by index, and are those that one by one would be found."""

from __future__ import annotations

import random

import pytest

from schemas.conditions import All, AnyOf, Compare, Condition, Not
from schemas.flow import Flow
from streams.exits import comes_from
from streams.interest import interests
from streams.predicates import judge_words as judge
from tests.unit.stage import Stage, checkout, flow, wait

SPRING = Compare(word="campaign", kind="text", operator="eq", operand="spring")
ONE_OR_TWO = Compare(word="channel_id", kind="text", operator="in", operand=["1", "2"])
LARGE = Compare(word="total", kind="money", operator="gte", operand=["50", "USD"])
NOT_SPRING = Compare(word="campaign", kind="text", operator="ne", operand="spring")
CONDITIONS: tuple[Condition | None, ...] = (
    None,
    SPRING,
    ONE_OR_TWO,
    LARGE,
    NOT_SPRING,
    All(parts=(LARGE, SPRING)),
    All(parts=(SPRING, ONE_OR_TWO)),
    All(parts=(All(parts=(ONE_OR_TWO,)), LARGE)),
    AnyOf(parts=(SPRING, ONE_OR_TWO)),
    Not(part=SPRING),
)
SOURCES = ((), ("shop",), ("magento1", "magento2/default"))


def named(number: int, where: Condition | None, sources: tuple[str, ...]) -> Flow:
    return flow(wait(15), name=f"flow_{number:02}", where=where, sources=sources)


def linear(flows: list[Flow], source: str, words: dict[str, object]) -> tuple[list[str], int]:
    """The naive reading: ask every flow."""
    heard = [one for one in flows if comes_from(source, one.trigger.sources)]
    begun = [one.name for one in heard if one.trigger.where is None or judge(one.trigger.where, words) is True]
    return begun, len(heard) - len(begun)


@pytest.mark.parametrize("seed", range(50))
def test_the_index_finds_what_asking_everybody_finds(seed: int) -> None:
    dice = random.Random(seed)
    flows = [named(n, dice.choice(CONDITIONS), dice.choice(SOURCES)) for n in range(dice.randrange(1, 30))]
    interest = interests(flows)["checkout_started"]
    for _ in range(50):
        choices: dict[str, list[object]] = {
            "campaign": ["spring", "autumn"],
            "channel_id": ["1", "2", "3"],
            "total": [{"amount": amount, "currency": "USD"} for amount in ("49", "50")],
        }
        words = {word: dice.choice(values) for word, values in choices.items() if dice.random() < 0.7}
        source = dice.choice(["shop", "shop/de", "magento1", "magento2", "magento2/default", "shopify"])
        begun, passed = interest.begins(source, words)
        assert ([one.name for one in begun], passed) == linear(flows, source, words)


def test_a_flow_that_wants_a_certain_text_is_not_asked_about_others() -> None:
    flows = [named(n, Compare(word="campaign", kind="text", operator="eq", operand=str(n)), ()) for n in range(200)]
    interest = interests(flows)["checkout_started"]
    assert (interest.one_by_one, interest.indexed) == ((), 200)
    assert [word for word, _ in interest.by_text] == ["campaign"]
    assert interest.begins("shop", {"campaign": "7"}) == ([flows[7]], 199)
    assert interest.begins("shop", {}) == ([], 200)


def test_only_what_conditions_ask_for_is_read_until_something_begins() -> None:
    interest = interests([named(1, SPRING, ())])["checkout_started"]
    assert [(top, [name for name, _, _ in words]) for top, words in interest.asked] == [("context", ["campaign"])]
    entered = Stage(flow(where=LARGE)).event(checkout("10:00", total="60", checkout_id="C1", coupon="X"))
    words = entered.profile().enrollments[0].words()
    assert words == {"checkout_id": "C1", "coupon": "X", "total": {"amount": "60", "currency": "USD"}}
