"""What a flow has earned: the same whatever arrives first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from schemas.dossier import Click, Dossier, Purchase
from streams.attribution import CLICKS_MAX, PURCHASES_MAX, WINDOW_MS, bought, clicked, reckon, refunded

HOUR = 3_600_000
DAY = 24 * HOUR
Change = Callable[[Dossier], object]


def click(flow: str, at: int) -> Change:
    return lambda dossier: clicked(dossier, Click(f"command of {flow}", flow, "v1", "remind", f"run of {flow}", at))


def order(order_id: str, at: int, amount: str, currency: str = "USD") -> Change:
    return lambda dossier: bought(
        dossier, Purchase(order_id=order_id, occurred_at=at, amount=amount, currency=currency)
    )


def refund(order_id: str, refund_id: str, at: int, amount: str, currency: str = "USD") -> Change:
    return lambda dossier: refunded(
        dossier, order_id=order_id, refund_id=refund_id, amount=amount, currency=currency, occurred_at=at
    )


def earned(changes: Sequence[Change]) -> dict[str, Decimal]:
    """The sum of all credits by flow, reckoned after each change."""
    dossier, sums = Dossier(), defaultdict[str, Decimal](Decimal)
    for change in changes:
        change(dossier)
        for credit in reckon(dossier):
            sums[credit.click.flow] += Decimal(credit.amount)
    return {flow: amount for flow, amount in sums.items() if amount}


def test_S0_21_revenue_per_flow() -> None:  # noqa: N802 - the row's own name
    """Click 10:00, order 80 next day, refund 30: the flow has 50; a second copy adds nothing."""
    changes = [click("cart", 10 * HOUR), order("O1", DAY + HOUR, "80.00"), refund("O1", "R1", 2 * DAY, "30.00")]
    assert earned(changes) == {"cart": Decimal("50.00")}
    assert earned([*changes, *changes]) == {"cart": Decimal("50.00")}


def test_what_arrives_first_makes_no_difference() -> None:
    changes = [
        click("cart", HOUR),
        click("browse", 2 * HOUR),
        order("O1", 3 * HOUR, "80.00"),
        refund("O1", "R1", 4 * HOUR, "30.00"),
        click("late", 5 * HOUR),
    ]
    assert {tuple(earned(one).items()) for one in permutations(changes)} == {(("browse", Decimal("50.00")),)}


def test_only_a_click_of_the_last_five_days_counts() -> None:
    assert earned([click("cart", 0), order("O1", WINDOW_MS - 1, "10")]) == {"cart": Decimal(10)}
    assert earned([click("cart", 0), order("O1", WINDOW_MS, "10")]) == {}
    assert earned([click("cart", 1), order("O1", 0, "10")]) == {}


def test_a_refund_in_another_currency_is_not_reckoned() -> None:
    changes = [click("cart", 0), order("O1", 1, "80"), refund("O1", "R1", 2, "30", "EUR")]
    assert earned(changes) == {"cart": Decimal(80)}


def test_what_is_kept_is_bounded() -> None:
    dossier = Dossier()
    forgot = [clicked(dossier, Click(f"c{i}", "f", "v", "s", "e", i)) for i in range(CLICKS_MAX + 1)]
    assert forgot == [False] * CLICKS_MAX + [True]
    forgot = [
        bought(dossier, Purchase(order_id=f"{i}", occurred_at=i, amount="1", currency="USD"))
        for i in range(PURCHASES_MAX + 1)
    ]
    assert forgot == [False] * PURCHASES_MAX + [True]
    assert (len(dossier.clicks), len(dossier.purchases)) == (CLICKS_MAX, PURCHASES_MAX)


MOMENTS = st.integers(0, 7).map(lambda days: days * DAY)
CHANGES = st.one_of(
    st.tuples(st.just("click"), st.sampled_from("abc"), MOMENTS),
    st.tuples(st.just("order"), st.sampled_from("xyz"), MOMENTS),
    st.tuples(st.just("refund"), st.sampled_from("xyz"), st.sampled_from("12")),
)


@given(st.lists(CHANGES, max_size=10))
def test_credits_add_up_to_what_a_look_at_everything_says(happened: list[tuple[str, str, int | str]]) -> None:
    changes = []
    clicks = set()
    orders: dict[str, int] = {}
    refunds = set()
    for kind, name, more in happened:
        if kind == "click":
            changes.append(click(name, int(more)))
            clicks.add((int(more), name))
        elif kind == "order":
            changes.append(order(name, int(more), "100"))
            orders.setdefault(name, int(more))
        else:
            changes.append(refund(name, str(more), 0, "10"))
            refunds.add((name, more))
    expected = Counter[str]()
    for name, at in orders.items():
        last = max(((when, flow) for when, flow in clicks if 0 <= at - when < 5 * DAY), default=None)
        if last is not None:
            expected[last[1]] += 100 - 10 * sum(order_id == name for order_id, _ in refunds)
    assert earned(changes) == {flow: Decimal(amount) for flow, amount in expected.items() if amount}
