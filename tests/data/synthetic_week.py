"""One invented week of a small shop, with the statistics of a real one.

    python -m tests.data.synthetic_week [--seed 11] [--out tests/data]

The tables below are all that was taken from real clicks: counts of kinds of visits, and quantiles, rounded to two
digits, of how many hits a visit has, how far apart they are, and what an order is worth. Visitors, products, times and
orders are drawn anew. The same seed gives the same bytes on every Python and every machine: only `Random.random` is
used, whose sequence is promised to stay, and arithmetic that rounds alike everywhere.
"""

from __future__ import annotations

import argparse
import gzip
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tests.data.lines import ORDER_PLACED, Hit, lines

SEED = 11
WEEK_BEGINS = 1_748_847_600_000  # Monday 2 June 2025, midnight in California
HOUR_MS = 3_600_000
WEEK_MS = 7 * 24 * HOUR_MS
FILES = {False: "synthetic_week.ndjson.gz", True: "synthetic_week_synced.ndjson.gz"}

TYPES = {
    "V": "commerce.product.viewed.v1",
    "A": "commerce.cart.item_added.v1",
    "C": "commerce.checkout.started.v1",
    "P": ORDER_PLACED,
}

#: How many visits hold which actions: V a product view, A a cart add, C a checkout, P an order.
VISITS = {"V": 1935, "VA": 708, "A": 14, "VAC": 254, "C": 16, "VC": 8, "AC": 5}
BUYING_VISITS = {"VACP": 123, "CP": 8, "VCP": 2, "ACP": 2}
#: How many visitors come how often, and how many of those buy, each once.
VISITORS = {9: 1, 5: 6, 4: 14, 3: 54, 2: 212, 1: 2394}
BUYERS = {9: 1, 5: 2, 4: 4, 3: 11, 2: 26, 1: 91}
DAYS = (420, 460, 580, 590, 520, 240, 260)
#: Visits that begin in each hour of the shop's day, before and after noon.
MORNING = (80, 69, 66, 51, 74, 81, 137, 135, 179, 167, 166, 201)
AFTERNOON = (205, 200, 185, 171, 138, 132, 123, 106, 122, 112, 95, 80)

#: Quantiles stand at these probabilities.
AT = (0.0, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 1.0)
HITS = {
    ("V", "V"): (1, 1, 1, 1, 1, 2, 4, 6, 9, 18, 110),
    ("VA", "V"): (1, 1, 1, 1, 2, 3, 6, 10, 15, 36, 68),
    ("VA", "A"): (1, 1, 1, 1, 1, 2, 3, 5, 9, 19, 50),
    ("VAC", "V"): (1, 1, 1, 1, 3, 5, 10, 17, 24, 35, 54),
    ("VAC", "A"): (1, 1, 1, 1, 2, 3, 6, 10, 14, 30, 51),
    ("VAC", "C"): (1, 1, 1, 1, 2, 3, 6, 10, 11, 20, 29),
    ("VACP", "V"): (1, 1, 1, 2, 4, 6, 11, 16, 21, 30, 33),
    ("VACP", "A"): (1, 1, 1, 1, 2, 4, 6, 10, 14, 19, 91),
    ("VACP", "C"): (1, 1, 2, 3, 4, 5, 7, 8, 11, 13, 15),
}
#: Milliseconds from one action to the next of the same visit.
GAPS_MS = {
    "VV": (0, 0, 89, 1_300, 7_100, 22_000, 64_000, 120_000, 210_000, 740_000, 3_800_000),
    "VA": (290, 1_300, 1_600, 2_900, 4_500, 6_600, 12_000, 23_000, 40_000, 130_000, 1_600_000),
    "VC": (12_000, 12_000, 22_000, 46_000, 120_000, 150_000, 230_000, 320_000, 440_000, 710_000, 1_800_000),
    "AV": (420, 2_200, 8_000, 15_000, 27_000, 48_000, 93_000, 170_000, 290_000, 930_000, 2_000_000),
    "AA": (0, 140, 260, 370, 1_300, 4_000, 8_700, 20_000, 39_000, 170_000, 470_000),
    "AC": (7_200, 9_000, 12_000, 21_000, 47_000, 110_000, 250_000, 420_000, 570_000, 1_200_000, 2_400_000),
    "CV": (9_700, 9_700, 17_000, 42_000, 76_000, 130_000, 330_000, 760_000, 1_100_000, 1_300_000, 1_700_000),
    "CC": (2_200, 5_000, 7_700, 18_000, 35_000, 53_000, 94_000, 160_000, 270_000, 870_000, 1_900_000),
    "CP": (10_000, 10_000, 12_000, 18_000, 21_000, 30_000, 43_000, 65_000, 86_000, 130_000, 930_000),
    "PP": (1, 1, 6, 18, 25, 32, 49, 78, 130, 320, 324),
    "PV": (9_900, 9_900, 9_900, 23_000, 31_000, 35_000, 46_000, 46_000, 46_000, 46_000, 190_000),
}
MINUTES_TO_THE_NEXT_VISIT = (1, 1, 5, 58, 180, 960, 1_900, 3_000, 4_400, 5_800, 8_800)
HITS_TO_THE_NEXT_ACTION = (1, 1, 1, 1, 2, 2, 4, 6, 7, 12, 65)
REVENUE_CENTS = (620, 850, 1_500, 2_700, 4_200, 7_000, 13_000, 26_000, 52_000, 130_000, 220_000)
PRICE_CENTS = (79, 99, 150, 400, 1_500, 1_900, 4_400, 8_000, 10_000, 11_000, 14_000)
#: Views of every twentieth product, from the best known down.
POPULARITY = (329, 110, 78, 66, 55, 43, 32, 24, 19, 15, 10, 6)
COLORS = (
    "amber azure coral ebony fern gold indigo ivory jade lilac moss navy olive pearl ruby sand slate teal umber wine"
)
THINGS = "apron basket candle cap clock cup jug kettle lamp mitten pillow plaid scarf stool teapot towel tray vase"
#: Copies of an order: nearly always two; the first carries the revenue, the last never does.
COPIES = {2: 131, 4: 4}
VIEW_AFTER_CHECKOUT = 0.05
VIEW_AFTER_ORDER = 0.04
#: Of those who come more than once, how many come back to a checkout each time.
RETURNING_TO_CHECK_OUT = 0.15

Drawn = TypeVar("Drawn")


class Dice:
    """Draws that come out alike on every Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, bound: int) -> int:
        """A whole number from 0 up to, not including, the bound."""
        return int(self._random.random() * bound)

    def happens(self, probability: float) -> bool:
        """True with this probability."""
        return self._random.random() < probability

    def shuffled(self, things: Sequence[Drawn]) -> list[Drawn]:
        """The things in another order."""
        order = sorted((self._random.random(), index) for index in range(len(things)))
        return [things[index] for _, index in order]

    def weighted(self, weights: Sequence[int]) -> int:
        """An index, as often as its weight says."""
        left = self.below(sum(weights))
        for index, weight in enumerate(weights):
            if left < weight:
                return index
            left -= weight
        raise AssertionError("a draw below the sum of the weights falls on one of them")

    def from_quantiles(self, table: Sequence[int]) -> int:
        """A value distributed as the table says, straight lines between its points."""
        at = self._random.random()
        upper = next(index for index, probability in enumerate(AT) if at < probability)
        share = (at - AT[upper - 1]) / (AT[upper] - AT[upper - 1])
        return int(table[upper - 1] + share * (table[upper] - table[upper - 1]))


class Product(NamedTuple):
    """One thing the shop sells."""

    properties: dict[str, Any]
    weight: int


def synthetic_hits(seed: int = SEED) -> list[Hit]:
    """The hits of the week, visitor by visitor."""
    dice = Dice(seed)
    products = _products(dice)
    hits: list[Hit] = []
    order_numbers = dice.shuffled(range(1_000, 1_000 + sum(COPIES.values())))
    copies = dice.shuffled(_spread(COPIES))
    for kinds in _visitors(dice):
        visitor = "".join(str(dice.below(10)) for _ in range(19))
        begins = _first_visit(dice)
        for kind in kinds:
            actions = _actions(dice, kind, copies=copies.pop() if "P" in kind else 0)
            order_id = f"SW-{order_numbers.pop()}" if "P" in kind else ""
            visit = _visit(dice, actions, visitor=visitor, begins=begins, products=products, order_id=order_id)
            hits += visit
            begins = _next_visit(dice, after=visit[-1].occurred_at)
    return hits


def _visitors(dice: Dice) -> Iterator[list[str]]:
    """For each visitor the kinds of visits, in order; those who come often first."""
    buying = dice.shuffled(_spread(BUYING_VISITS))
    checkouts = dice.shuffled([kind for kind in _spread(VISITS) if "C" in kind])
    others = dice.shuffled([kind for kind in _spread(VISITS) if "C" not in kind])
    for times, visitors in VISITORS.items():
        if times == 1:
            checkouts = others = dice.shuffled(checkouts + others)
        for index in range(visitors):
            buys = index < BUYERS[times]
            pool = checkouts if dice.happens(RETURNING_TO_CHECK_OUT) else others
            yield dice.shuffled([buying.pop() if buys and visit == 0 else pool.pop() for visit in range(times)])


def _spread(counts: dict[Drawn, int]) -> list[Drawn]:
    return [thing for thing, count in counts.items() for _ in range(count)]


def _first_visit(dice: Dice) -> int:
    day, hour = dice.weighted(DAYS), dice.weighted(MORNING + AFTERNOON)
    return WEEK_BEGINS + (24 * day + hour) * HOUR_MS + dice.below(HOUR_MS)


def _next_visit(dice: Dice, *, after: int) -> int:
    gap = dice.from_quantiles(MINUTES_TO_THE_NEXT_VISIT) * 60_000 + dice.below(60_000)
    while gap > 60_000 and after + gap > WEEK_BEGINS + WEEK_MS:
        gap //= 4
    return after + gap


def _actions(dice: Dice, kind: str, *, copies: int) -> str:
    """The actions of one visit: views and the adds they lead to, then checkouts, then the copies of the order."""
    like = kind if (kind, "V") in HITS else "VACP" if "P" in kind else "VAC"
    count = {action: dice.from_quantiles(HITS[like, action]) if action in kind else 0 for action in "VAC"}
    adds_after = [dice.below(max(count["V"], 1)) for _ in range(count["A"])]
    if count["V"] == 0:
        browsing = "A" * count["A"]
    else:
        browsing = "".join("V" + "A" * adds_after.count(view) for view in range(count["V"]))
    checkouts = "".join("CV" if dice.happens(VIEW_AFTER_CHECKOUT) else "C" for _ in range(count["C"]))
    if copies:
        checkouts = checkouts.removesuffix("V") + "P" * copies + ("V" if dice.happens(VIEW_AFTER_ORDER) else "")
    return browsing + checkouts


def _visit(dice: Dice, actions: str, *, visitor: str, begins: int, products: list[Product], order_id: str) -> list[Hit]:
    hits: list[Hit] = []
    at, number = begins, dice.below(8)
    product: dict[str, Any] = {}
    for index, action in enumerate(actions):
        if index:
            at += dice.from_quantiles(GAPS_MS.get(actions[index - 1] + action, GAPS_MS["CV"]))
        number += 1 if action == "P" else dice.from_quantiles(HITS_TO_THE_NEXT_ACTION)
        if action == "V" or (action == "A" and not product):
            product = products[dice.weighted([one.weight for one in products])].properties
        properties = {"order_id": order_id} if action == "P" else {} if action == "C" else product
        revenue = _revenue(dice, copy=index - actions.index("P"), copies=actions.count("P")) if action == "P" else None
        order = order_id if action == "P" else ""
        hits.append(Hit(at, visitor, str(begins // 1_000), number, TYPES[action], properties, order, revenue))
    return hits


def _revenue(dice: Dice, *, copy: int, copies: int) -> str | None:
    """The first copy always carries an amount, the last never does, and one in between may carry another one."""
    if copy == 0 or (0 < copy < copies - 1 and dice.happens(0.25)):
        return _amount(dice.from_quantiles(REVENUE_CENTS))
    return None


def _products(dice: Dice) -> list[Product]:
    names = dice.shuffled([f"{color.title()} {thing}" for color in COLORS.split() for thing in THINGS.split()])
    products = []
    for index in range(20 * (len(POPULARITY) - 1)):
        above, below = POPULARITY[index // 20], POPULARITY[index // 20 + 1]
        weight = above + (below - above) * (index % 20) // 20
        price = {"amount": _amount(dice.from_quantiles(PRICE_CENTS)), "currency": "USD"}
        products.append(Product({"product_id": f"P{index + 1:04d}", "name": names[index], "price": price}, weight))
    return products


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def synthetic_bytes(seed: int = SEED, *, synced: bool) -> bytes:
    """The week as NDJSON."""
    return "".join(line + "\n" for line in lines(synthetic_hits(seed), synced=synced)).encode()


def main() -> None:
    """Write both files, compressed without a time, so that the same week gives the same file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    for synced, name in FILES.items():
        (arguments.out / name).write_bytes(gzip.compress(synthetic_bytes(arguments.seed, synced=synced), 9, mtime=0))


if __name__ == "__main__":
    main()
