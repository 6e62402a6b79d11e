"""CANCEL-RACE: a worker that was away while somebody bought does not remind them, in whatever order it catches up.

A minute takes a tenth of a second here: a checkout at 0, the order at 50 minutes, the reminder due at 60, the worker
back at 70, with whatever else goes wrong. Intake may be away as well, so that the order is still in the raw topic.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Any

import orjson
import pytest

from schemas import codec
from schemas.command import Command
from schemas.edge import accept_event
from tests.oracle.flowfile import load_flow
from tests.oracle.records import wire
from tests.oracle.replay import run_live
from tests.oracle.scenario import TENANT
from tests.simulation.broker import Record
from tests.simulation.clockwork import REMAINS
from tests.simulation.traffic import Flows, read
from tests.simulation.verdict import Verdict, replayed, told
from tests.simulation.world import INCARNATION, World

INTERLEAVINGS = 1_000
FLOW = """\
flow: reminder
entry:
  trigger: { event: checkout_started }
exit:
  - when: { event: order_placed }
    reason: bought
skew: 0s
steps:
  - wait: { for: 6s }
  - label: remind
    send: { template: reminder, channel: log, class: marketing }
  - stop: done
"""
BUYER, OTHER = "buyer", "other"
CHECKOUT, ORDER = "commerce.checkout.started.v1", "commerce.order.placed.v1"

pytestmark = [*REMAINS]


@lru_cache(maxsize=1)
def the_flow() -> Flows:
    return read([FLOW])


def event(who: str, type_: str, *, at_ms: int) -> Any:
    body = {"specversion": "1.0", "id": f"{type_} {who}", "source": "shop.site", "type": type_, "time": wire(at_ms)}
    return accept_event(body | {"tenant": TENANT, "identity": {"external_id": who}}, received_at=None)


class Race(World):
    """Two people check out; one of them buys."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._seconds = 10.0

    def _flows(self) -> Flows:
        return the_flow()

    def _begins(self) -> float:
        return 7.0

    def _shop(self) -> None:
        dice = Random(f"race {self.seed}")
        began = dice.uniform(0, 0.5)
        for who in (BUYER, OTHER):
            self.loop.later(began, self._tell, who, CHECKOUT)
        self.loop.later(began + 5 + dice.choice((0, 0.999, dice.uniform(-1, 0.9))), self._tell, BUYER, ORDER)
        for _ in range(20):
            self.loop.later(dice.uniform(0, 9), self._report)
        if dice.random() < 0.6:
            self.loop.later(dice.uniform(3, 5.9), self.intake.stop)
            self.loop.later(dice.uniform(6, 9.5), self.intake.start)

    def _is_quiet(self) -> bool:
        """Nobody is due any more, not even since a moment ago."""
        owned = [one for slot in self.slots if slot.worker is not None for one in slot.worker.owned()]
        return super()._is_quiet() and all(one.core.next_wakeup_at > self.broker.now_at for one in owned)

    def _tell(self, who: str, type_: str) -> None:
        self.intake.report(event(who, type_, at_ms=int(self.loop.time() * 1000)))


def reminded(verdict: Verdict) -> set[str]:
    """Who of the two got a message."""
    keys = {event(who, CHECKOUT, at_ms=10**12).key.decode().partition("/")[2]: who for who in (BUYER, OTHER)}
    sent = {orjson.loads(value)["profile_id"] for some in verdict.commands for value in some}
    return {keys[profile] for profile in sent & keys.keys()}


@pytest.mark.parametrize("seed", range(1, INTERLEAVINGS + 1))
def test_nobody_is_reminded_who_bought_while_the_worker_was_away(seed: int) -> None:
    race = Race(seed)
    verdict = race.run()
    assert not verdict.faults
    # A broker whose clock was ahead for a while has put off what was due.
    assert reminded(verdict) == {OTHER} or (reminded(verdict) == set() and "broker clock" in race.misfortunes.rates)


def test_an_order_before_the_releasing_tick_wins_and_one_after_it_takes_the_message_back() -> None:
    race = Race(1)
    race.run()
    number, tick = next(
        (number, orjson.loads(record.value)["cause"]["offset"])
        for number in range(race.topics.decisions.partitions)
        for record in race.broker.log(race.topics.decisions.name, number).records
        if (decision := orjson.loads(record.value))["outcome"] == "sent"
        and decision["profile_id"] == event(OTHER, CHECKOUT, at_ms=10**12).key.decode().partition("/")[2]
    )
    log = race.broker.log(race.topics.profile_log.name, number).records
    sent, recalled = ordered(log, number=number)
    at = log[tick].timestamp
    assert ordered(with_order(log, before=tick, at=at), number=number) == (sent - 1, recalled)
    assert ordered(with_order(log, before=tick + 1, at=at), number=number) == (sent, recalled + 1)


def with_order(log: list[Record], *, before: int, at: int) -> list[Record]:
    """The same log with an order of the other one at this offset."""
    bought = event(OTHER, ORDER, at_ms=at)
    records = [*log[:before], Record(0, at, bought.key, bought.value), *log[before:]]
    return [record._replace(offset=offset) for offset, record in enumerate(records)]


def ordered(log: list[Record], *, number: int) -> tuple[int, int]:
    """How many commands the core orders over a log, as many as the oracle does, and how many it takes back."""
    orders = replayed(the_flow().program, log, topic="log", number=number, incarnation=INCARNATION).commands
    sent = sum(isinstance(codec.decode_order(one), Command) for one in orders)
    assert len(run_live([load_flow(FLOW)], told(log)).commands) == sent
    return sent, len(orders) - sent
