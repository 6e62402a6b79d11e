"""What a seed makes shops report: random flows of short waits, and what happens to a few dozen people meanwhile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from schemas.edge import Accepted, accept_event
from streams.flowfile import load
from streams.program import Program
from tests.definitions import book_of
from tests.oracle.flowfile import Flow as NaiveFlow
from tests.oracle.flowfile import load_flow, milliseconds
from tests.oracle.identity import profile_id
from tests.oracle.records import wire
from tests.oracle.scenario import TENANT, as_yaml
from tests.oracle.scenario_flows import random_flow
from tests.oracle.scenario_words import AMOUNTS, CHANNELS, CHECKOUTS, PRODUCTS

Raw = dict[str, Any]

#: Flows of minutes and hours are played in seconds: five minutes in half of one.
FASTER = 600
PROGRAMS = 64
SOURCES = ("shop.orders", "shop.site")
TYPES = {
    "commerce.product.viewed.v1": 3,
    "commerce.cart.item_added.v1": 3,
    "commerce.checkout.started.v1": 6,
    "commerce.order.placed.v1": 4,
}
LATE_MS = (0, 0, 0, 0, 0, 1, 400, 2_000, 9_000)
_DURATION = re.compile(r"[0-9]+[smhd]")


class Flows(NamedTuple):
    """The same flow files, as the product and as the oracle read them."""

    program: Program
    naive: list[NaiveFlow]


@lru_cache(maxsize=PROGRAMS)
def flows(number: int) -> Flows:
    """One of a few sets of flows; reading the files takes longer than playing them."""
    dice = Random(f"flows {number}")
    return read([as_yaml(_faster(_flow(dice, f"flow_{n}"))) for n in range(1, dice.randint(1, 3) + 1)])


def read(texts: Sequence[str]) -> Flows:
    """Flow files."""
    parsed = [load(text, name=f"flow_{n}.yaml") for n, text in enumerate(texts)]
    book = book_of(parsed)
    return Flows(book.program_of(book.newest), [load_flow(text) for text in texts])


def _flow(dice: Random, name: str) -> Raw:
    """A random flow; many of them take everybody in, so that there is something to send."""
    flow = random_flow(dice, name)
    for step in flow["steps"]:
        if step.get("if", {}).get("then") == "again":
            step["if"]["then"] = "last"  # made faster, its waits are too short for a way back
    if dice.random() < 0.6:
        flow["entry"].pop("where", None)
        flow["entry"].pop("max_trigger_age", None)
        flow["entry"]["reentry"] = "always"
    return flow


def _faster(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _faster(body) for name, body in part.items()}
    if isinstance(part, list):
        return [_faster(one) for one in part]
    if isinstance(part, str) and _DURATION.fullmatch(part) and part != "0s":
        return f"{max(1, milliseconds(part) // FASTER)}ms"
    return part


class Traffic:
    """Events of one seed. `hot` people report every second event between them."""

    def __init__(self, dice: Random, *, people: int, hot: bool) -> None:
        self._dice = dice
        self._identities = [self._identity(number) for number in range(people)]
        self._weights = [people if hot and number == 0 else 1 for number in range(people)]
        self._sent: list[Raw] = []

    def event(self, *, at_ms: int) -> Accepted:
        """One more event that is reported now: a new one, or an earlier one again, perhaps with another body."""
        dice = self._dice
        if self._sent and dice.random() < 0.08:
            record = dict(dice.choice(self._sent))
            if dice.random() < 0.4:
                record["properties"] = self._properties(record["type"])
        else:
            record = self._new(at_ms)
            self._sent.append(record)
        return accept_event(record, received_at=None)

    def somebody(self, dice: Random) -> bytes:
        """The key of one of these people on the profile log."""
        return f"{TENANT}/{profile_id(TENANT, dice.choice(self._identities))}".encode()

    def _identity(self, number: int) -> dict[str, str]:
        if number % 9 == 8:
            return {"anonymous_id": f"browser-{number}"}
        return {"external_id": f"p{number}", "email": f"p{number}@example.com"}

    def _new(self, at_ms: int) -> Raw:
        dice = self._dice
        (type_,) = dice.choices(list(TYPES), list(TYPES.values()))
        (identity,) = dice.choices(self._identities, self._weights)
        time = at_ms - dice.choice(LATE_MS)
        if dice.random() < 0.5:
            time -= time % 500  # so that events, due times and promises meet to the millisecond
        number = len(self._sent)
        record = self._shape(identity) | {
            "id": f"e{number}",
            "source": SOURCES[0] if "order" in type_ else dice.choice((SOURCES[1], "shop.site.mobile", "partner")),
            "type": type_,
            "time": wire(time),
            "properties": self._properties(type_),
        }
        if dice.random() < 0.5:
            record["dedupe_key"] = f"hit:{number}"
        if dice.random() < 0.7:
            record["context"] = {"channel_id": dice.choice(CHANNELS)}
        if dice.random() < 0.7:
            record["value"] = self._money()
        if dice.random() < 0.03:
            record["backfill"] = True
        return record

    def _shape(self, identity: dict[str, str]) -> Raw:
        return {
            "specversion": "1.0",
            "id": "none",
            "source": SOURCES[1],
            "type": "commerce.product.viewed.v1",
            "time": wire(0),
            "tenant": TENANT,
            "identity": identity,
        }

    def _properties(self, type_: str) -> Raw:
        dice = self._dice
        checkout = {"checkout_id": dice.choice(CHECKOUTS)} if dice.random() < 0.8 else {}
        if type_ == "commerce.order.placed.v1":
            return {"order_id": f"O{dice.randrange(9)}"} | checkout
        if type_ == "commerce.checkout.started.v1":
            return checkout
        product = {"product_id": dice.choice(PRODUCTS), "price": self._money(), "quantity": dice.randint(1, 3)}
        return product | (checkout if "cart" in type_ else {})

    def _money(self) -> dict[str, str]:
        return {"amount": self._dice.choice(AMOUNTS), "currency": self._dice.choice(("USD", "USD", "EUR"))}
