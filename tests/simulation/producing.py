"""The idempotent producer of one process: batches in order per partition, acknowledged after a while.

Some are answered without an offset, and some arrive when nobody counts on them any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from agents.faust_engine import Written
from agents.faust_engine.lease import Lease
from tests.simulation.broker import Broker, Item
from tests.simulation.clockwork import Life, VirtualLoop


@dataclass(slots=True, kw_only=True)
class Network:
    """How produce requests fare in this world; chances are per request."""

    seconds: float = 0.003
    """A way takes so long at most, usually."""
    slow: float = 0.0
    """Takes up to half a second."""
    lost: float = 0.0
    """Times out and was not appended."""
    unanswered: float = 0.0
    """Was appended, and times out."""
    late: float = 0.0
    """Arrives seconds later, whatever has become of its sender."""
    stuck: float = 0.0
    """Is still on its way when its sender is dead or frozen, and arrives seconds later."""
    slips: float = 0.0
    """Is written though the lease has run out: the process was frozen between the look and the write."""
    timeout_seconds: float = 2.0


@dataclass(slots=True)
class Sent:
    """A batch on its way."""

    items: Sequence[Item]
    written: asyncio.Future[Written]
    appended: Written | None = None
    is_delayed: bool = False


class Producer:
    """Like `agents.faust_engine.producer.Batches`. Nothing reaches the socket while the lease is not good, but for the
    one batch that had just been looked at when the process was frozen.
    """

    def __init__(
        self,
        *,
        loop: VirtualLoop,
        life: Life,
        broker: Broker,
        dice: Random,
        network: Network,
        lease: Lease,
        effect: Callable[[str], None],
    ) -> None:
        self._loop, self._life, self._broker, self._dice, self._network = loop, life, broker, dice, network
        self._lease, self._effect = lease, effect
        self._batch_items = dice.choice((1, 2, 5, 1_000))
        self._lines: dict[tuple[str, int], deque[Sent]] = {}
        self._room = asyncio.Event()

    def pack(self, items: Sequence[Item], *, size: int | None = None) -> list[Any]:
        """Small batches, so that there is something between two of them."""
        most = self._batch_items
        return [list(items[at : at + most]) for at in range(0, len(items), most)]

    async def send(self, topic: str, partition: int, batch: Any) -> Awaitable[Written]:
        """Two of a partition are taken at a time: one on the wire, one waiting."""
        self._effect("send")
        line = self._lines.setdefault((topic, partition), deque())
        while len(line) >= 2:
            self._room.clear()
            await self._room.wait()
        sent = Sent(batch, self._loop.create_future())
        line.append(sent)
        if len(line) == 1:
            self._transmit(topic, partition, sent)
        self._effect("sent")
        return sent.written

    def _transmit(self, topic: str, partition: int, sent: Sent) -> None:
        if self._lease.is_good() or self._dice.random() < self._network.slips:
            self._write(topic, partition, sent)
        else:
            self._life.run(self._write_when_good(topic, partition, sent))

    async def _write_when_good(self, topic: str, partition: int, sent: Sent) -> None:
        await self._lease.good()
        self._write(topic, partition, sent)

    def _write(self, topic: str, partition: int, sent: Sent) -> None:
        net, dice = self._network, self._dice
        fate = dice.random()
        way = dice.uniform(0, net.seconds)
        if dice.random() < net.slow:
            way = dice.uniform(0, 0.5)
        if fate < net.lost:
            self._life.later(net.timeout_seconds, self._transmit, topic, partition, sent)
            return
        if fate < net.lost + net.late:
            way = dice.uniform(0.5, 12)
        is_answered = fate > net.lost + net.late + net.unanswered
        dies_with_us = dice.random() < 0.5 - net.stuck / 2
        self._loop.later(way, self._arrive, topic, partition, sent, is_answered, dies_with_us)
        if not is_answered or way > net.timeout_seconds:
            self._life.later(net.timeout_seconds, self._again, topic, partition, sent)

    def _again(self, topic: str, partition: int, sent: Sent) -> None:
        if not sent.written.done():
            self._transmit(topic, partition, sent)

    def _arrive(self, topic: str, partition: int, sent: Sent, is_answered: bool, dies_with_us: bool) -> None:
        """At the broker, which knows a batch that it has had already, and not always where it put it."""
        if self._life.over and (dies_with_us or self._life.mute):
            return
        if (self._life.over or self._life.frozen) and not sent.is_delayed and self._dice.random() < self._network.stuck:
            sent.is_delayed = True
            self._loop.later(self._dice.uniform(0, 8), self._arrive, topic, partition, sent, is_answered, dies_with_us)
            return
        if sent.appended is None:
            base, at = self._broker.append(topic, partition, sent.items)
            written = sent.appended = Written(base, len(sent.items), at)
        else:
            written = sent.appended if self._dice.random() < 0.5 else Written(-1, len(sent.items), -1)
        if is_answered:
            way = self._dice.uniform(0, self._network.seconds)
            self._life.later(way, self._acknowledged, topic, partition, sent, written)

    def _acknowledged(self, topic: str, partition: int, sent: Sent, written: Written) -> None:
        if sent.written.done():
            return
        sent.written.set_result(written)
        line = self._lines[topic, partition]
        line.popleft()
        self._room.set()
        if line:
            self._transmit(topic, partition, line[0])
