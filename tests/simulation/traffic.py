"""What a seed makes shops report: random flows of short waits, and what happens to a few dozen people meanwhile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

import orjson

from agents.flow_files import FlowFile
from schemas.edge import Accepted, accept_event
from streams.flowfile import load
from streams.program import Program
from tests.definitions import book_of, flow_file
from tests.oracle.flowfile import milliseconds
from tests.oracle.identity import profile_id
from tests.oracle.records import wire
from tests.oracle.scenario import TENANT, as_yaml
from tests.oracle.scenario_flows import DURATIONS, random_flow
from tests.oracle.scenario_words import AMOUNTS, CHANNELS, CHECKOUTS, PRODUCTS

Raw = dict[str, Any]

#: Flows of minutes and hours are played in seconds: five minutes in half of one.
FASTER = 600
PROGRAMS = 64
CHANGING_PROGRAMS = 24
SOURCES = ("shop.orders", "shop.site")
TYPES = {
    "commerce.product.viewed.v1": 3,
    "commerce.cart.item_added.v1": 3,
    "commerce.checkout.started.v1": 6,
    "commerce.order.placed.v1": 4,
}
GROUPS = ("reminders", "news")
#: It takes nobody in, and asks of the past what any edition of any flow may ask.
MEMORY = (
    """\
flow: memory
entry:
  trigger: { event: product_viewed }
  where: { product_id: { eq: nothing } }
  reentry: never
exit:
"""
    + "".join(
        f"  - {{ when: {{ event: {event}, where: {{ any: [{words}] }} }}, reason: seen }}\n"
        for event, words in (
            ("order_placed", "{ checkout_id: { is_set: true } }, { channel_id: { is_set: true } }"),
            ("cart_item_added", "{ checkout_id: { is_set: true } }, { channel_id: { is_set: true } }"),
            ("checkout_started", "{ checkout_id: { is_set: true } }, { channel_id: { is_set: true } }"),
            ("product_viewed", "{ channel_id: { is_set: true } }"),
        )
    )
    + """\
steps:
  - wait: { for: 1s }
  - stop: done
"""
)
LIMITED: tuple[str | Raw, ...] = (
    "never",
    {"never": True, "count_only_if_sent": True},
    {"max": 1, "per": "3h"},
    {"min_gap": "3h", "from": "end"},
)
LATE_MS = (0, 0, 0, 0, 0, 1, 400, 2_000, 9_000)
_DURATION = re.compile(r"[0-9]+[smhd]")


class Flows(NamedTuple):
    """`program` is that of their first editions. The others may be published instead, one after the other; the second
    of each has the steps of the first, and other waits.
    """

    program: Program
    editions: list[list[FlowFile]]


@lru_cache(maxsize=PROGRAMS)
def flows(number: int) -> Flows:
    """One of a few sets of flows; reading the files takes longer than playing them."""
    dice = Random(f"flows {number}")
    return read([as_yaml(_faster(_flow(dice, f"flow_{n}"))) for n in range(1, dice.randint(1, 3) + 1)])


@lru_cache(maxsize=CHANGING_PROGRAMS)
def changing_flows(number: int) -> Flows:
    """The same of flows that change, with caps, some of them in shadow for a while; and one that only has the past
    remembered for all that may come.
    """
    dice, shadows = Random(f"changing flows {number}"), Random(f"shadows {number}")
    raw = [_editions(dice, f"flow_{n}") for n in range(1, dice.randint(1, 3) + 1)]
    raw = [_shown(shadows, some) if shadows.random() < 0.4 else some for some in raw]
    return _flows([[_file(MEMORY)], *([_file(as_yaml(_faster(one))) for one in some] for some in raw)])


def read(texts: Sequence[str]) -> Flows:
    """Flow files."""
    return _flows([[_file(text)] for text in texts])


def _flows(editions: list[list[FlowFile]]) -> Flows:
    book = book_of([some[0].flow for some in editions if some[0].flow is not None])
    return Flows(book.program_of(book.newest), editions)


def _file(text: str) -> FlowFile:
    return flow_file(load(text, name="flow.yaml"), text.encode())


def _editions(dice: Random, name: str) -> list[Raw]:
    """The second may be moved to from the first; the others are as different as they can be."""
    first = _soon(dice, _flow(dice, name))
    made = [first, _with_other_waits(dice, first)]
    while len(made) < 4:
        other = _soon(dice, _flow(dice, name))
        if other["entry"]["trigger"] == first["entry"]["trigger"]:
            kept = {word: first["entry"][word] for word in ("key", "reentry") if word in first["entry"]}
            entry = {word: part for word, part in other["entry"].items() if word not in ("key", "reentry")} | kept
            if "key" not in entry and entry.get("retrigger") == "parallel":
                entry["retrigger"] = "replace_context"
            made.append(other | {"entry": entry})
    return [_capped(dice, one) for one in made]


def _shown(dice: Random, editions: list[Raw]) -> list[Raw]:
    """Some of them in shadow; what happens there must not keep anybody from entering those that are live."""
    limited = dice.choice(LIMITED)
    shown = [{"status": "shadow"}, *({"status": "shadow"} if dice.random() < 0.3 else {} for _ in editions[1:])]
    return [
        one | status | {"entry": one["entry"] | {"reentry": limited}}
        for one, status in zip(editions, shown, strict=True)
    ]


def _soon(dice: Random, flow: Raw) -> Raw:
    """With hardly a wait that is longer than the world."""
    steps = [
        step | {"wait": {"for": dice.choice(DURATIONS)}}
        if "wait" in step and step["wait"].get("for") not in DURATIONS and dice.random() < 0.8
        else step
        for step in flow["steps"]
    ]
    return flow | {"steps": steps}


def _with_other_waits(dice: Random, flow: Raw) -> Raw:
    steps = [
        step | {"wait": {"for": dice.choice(DURATIONS)}} if step.get("wait", {}).get("for") in DURATIONS else step
        for step in flow["steps"]
    ]
    return flow | {"steps": steps}


def _capped(dice: Random, flow: Raw) -> Raw:
    cap = {"group": dice.choice(GROUPS), "max": dice.randint(1, 2), "per": dice.choice(("30m", "3h"))}
    steps = [
        step | {"send": step["send"] | {"cap": cap}} if "send" in step and dice.random() < 0.8 else step
        for step in flow["steps"]
    ]
    return flow | {"steps": steps}


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

    def receipt(self, command: bytes, *, outcome: str, at_ms: int) -> Accepted:
        """What a sender says has become of a command."""
        body = orjson.loads(command)
        record: Raw = {
            "specversion": "1.0",
            "id": f"{body['command_id']}:{outcome}",
            "source": "sender",
            "type": "message.reported.v1",
            "time": wire(at_ms),
            "tenant": body["tenant"],
            "identity": {"profile_id": body["profile_id"]},
            "properties": {"command_id": body["command_id"], "outcome": outcome},
        }
        return accept_event(record, received_at=None)

    def everybody(self) -> list[bytes]:
        """The keys of all of them."""
        return [f"{TENANT}/{profile_id(TENANT, identity)}".encode() for identity in self._identities]

    def somebody(self, dice: Random) -> bytes:
        """The key of one of these people on the profile log."""
        return dice.choice(self.everybody())

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
