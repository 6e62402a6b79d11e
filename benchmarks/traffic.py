"""Traffic: a seeded stream of shop events as intake would leave them on the profile log.

The same seed gives the same people, events and order on every machine. Only the instant is left open: it is filled in
when an event is written, because a log with a live clock tells the time at which it was written.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, count
from random import Random
from typing import Literal, NamedTuple, get_args

from schemas.identity import profile_id, profile_key
from schemas.instants import to_wire

Kind = Literal["session", "uniform"]
KINDS: tuple[Kind, ...] = get_args(Kind)

VIEW, CART, CHECKOUT, ORDER = (
    "commerce.product.viewed.v1",
    "commerce.cart.item_added.v1",
    "commerce.checkout.started.v1",
    "commerce.order.placed.v1",
)
MIX = ((VIEW, 0.70), (CART, 0.18), (CHECKOUT, 0.07), (ORDER, 0.05))
PEOPLE: dict[Kind, int] = {"session": 100_000, "uniform": 20_000}
SESSIONS = 200  # open at any moment
SESSION_EVENTS_MEAN = 6
DUPLICATES = 0.01  # of all events: a recent one, delivered again under the same id
TENANTS = 5  # sizes follow Zipf's law
PRODUCTS = 400

_UP_TO = tuple(accumulate(share for _, share in MIX))
_CONTEXT = (
    '"channel_id":"2","store":"main","locale":"en-US","campaign":"autumn","utm":{"source":"search","medium":"cpc"}'
)


class Draft(NamedTuple):
    """An event without its instant."""

    key: bytes
    head: str
    tail: str

    def at(self, instant: int) -> bytes:
        """The canonical JSON of the event, as of an instant in milliseconds."""
        when = to_wire(instant)
        return f'{self.head}"time":"{when}","received_at":"{when}",{self.tail}'.encode()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who shops: the key on the profile log, and what every event of theirs says about them."""

    key: bytes
    who: str


@dataclass(slots=True)
class _Session:
    """`visit` is random, as click ids are: a log that packs too well would make reading it too cheap."""

    person: Person
    visit: str
    checkout_id: str = ""


class People:
    """Everybody who may shop. Somebody is made up when they first come."""

    def __init__(self, *, seed: int, size: int) -> None:
        self._random, self._size = Random(f"{seed}/people"), size
        self._known: dict[int, Person] = {}
        self._tenants = list(accumulate(1 / rank for rank in range(1, TENANTS + 1)))

    def somebody(self) -> Person:
        """Anybody, all equally likely."""
        number = int(self._random.random() * self._size)
        if number not in self._known:
            tenant = bisect(self._tenants, number * 0.618 % 1 * self._tenants[-1])
            self._known[number] = _person(tenant=f"shop{tenant}", number=number)
        return self._known[number]


def drafts(*, seed: int, kind: Kind) -> Iterator[Draft]:
    """An endless stream of events: by sessions that come and go, or by anybody at any time."""
    random = Random(f"{seed}/{kind}")
    people = People(seed=seed, size=PEOPLE[kind])
    write = _Writer(seed=seed)
    leaves = 1 / SESSION_EVENTS_MEAN if kind == "session" else 1.0
    sessions = [_Session(people.somebody(), _token(random)) for _ in range(SESSIONS)]
    recent: list[Draft] = []
    for number in count():
        at = int(random.random() * SESSIONS)
        if len(recent) == SESSIONS and random.random() < DUPLICATES:
            yield recent[at]
            continue
        draft = write(sessions[at], number, random.random())
        yield draft
        recent[at : at + 1] = [draft]
        if random.random() < leaves:
            sessions[at] = _Session(people.somebody(), _token(random))


def _person(*, tenant: str, number: int) -> Person:
    profile = profile_id(tenant=tenant, kind="external_id", value=f"customer-{number}")
    identity = {"external_id": f"customer-{number}", "email": f"customer.{number}@example.com"}
    who = f'"tenant":"{tenant}","identity":{json.dumps(identity, separators=(",", ":"))}'
    return Person(profile_key(tenant=tenant, profile_id=profile), who)


class _Writer:
    """Writes the JSON of one event around the place for its instant. Everything that repeats is encoded once."""

    def __init__(self, *, seed: int) -> None:
        self._random = random = Random(f"{seed}/events")
        self._products = [_product(number, price=random.randrange(500, 20_000)) for number in range(PRODUCTS)]

    def __call__(self, session: _Session, number: int, chance: float) -> Draft:
        type_, body = self._body(session, number, chance)
        head = f'{{"specversion":"1.0","id":"{_token(self._random)}","source":"shop/web","type":"{type_}",'
        tail = f'{session.person.who},{body},"context":{{{_CONTEXT},"click_id":"{session.visit}"}}}}'
        return Draft(session.person.key, head, tail)

    def _body(self, session: _Session, number: int, chance: float) -> tuple[str, str]:
        product, other = self._products[number % PRODUCTS], self._products[number * 7 % PRODUCTS]
        amount = f"{15 + number % 397}.90"
        value = f'"value":{{"amount":"{amount}","currency":"USD"}}'
        if chance < _UP_TO[0]:
            return VIEW, f'"properties":{{{product}}}'
        if chance < _UP_TO[1]:
            return CART, f'{value},"properties":{{{product},"cart_id":"k{number}","quantity":1}}'
        lines = f'"items":[{{{_brief(product)}}},{{{_brief(other)}}}]'
        if chance < _UP_TO[2]:
            session.checkout_id = checkout_id = _token(self._random)
            ids = f'"checkout_id":"{checkout_id}","cart_id":"k{number}"'
            link = f'"checkout_url":"https://shop.example.com/checkout/{checkout_id}"'
            return CHECKOUT, f'{value},"properties":{{{ids},{link}}},{lines}'
        ids = f'"order_id":"o{number}","checkout_id":"{session.checkout_id}"'
        return ORDER, f'{value},"properties":{{{ids},"cart_id":"k{number}"}},{lines}'


def _token(random: Random) -> str:
    return f"{random.getrandbits(128):032x}"


def _product(number: int, *, price: int) -> str:
    fields = {
        "product_id": f"p{number}",
        "sku": f"SKU-{number:05d}",
        "name": f"Running shoe, model {number}",
        "price": {"amount": f"{price / 100:.2f}", "currency": "USD"},
        "brand": "Example Athletics",
        "url": f"https://shop.example.com/products/running-shoe-{number}",
        "categories": ["shoes", "running"],
    }
    return json.dumps(fields, separators=(",", ":"))[1:-1]


def _brief(product: str) -> str:
    """Of a product, what an order line repeats: everything up to the brand."""
    return product[: product.index(',"brand"')] + ',"quantity":1'
