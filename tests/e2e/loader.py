"""A shop that is open now: sessions into the raw topic as they happen, orders near the moments reminders are due.

Half of the orders are reported at once and half at the next sync, each sync followed by a watermark in every raw
partition. Orders come two to four times, some hits twice, and now and then comes a record that is none.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.topics import Topics
from tests.data.lines import ORDER_PLACED, ORDERS, SITE, TENANT, wire
from tests.e2e.live_flows import WAITS_MS

VIEW, ADD, CHECKOUT = "commerce.product.viewed.v1", "commerce.cart.item_added.v1", "commerce.checkout.started.v1"
VISITORS = 700
SYNC_MS = 1_000
PAUSE_SECONDS = 0.01
BROKEN = b'{"id": "broken'
Raw = dict[str, Any]


def event(kind: str, visitor: str, *, at: int, dedupe_key: str, **more: Any) -> Raw:
    """An event of a visitor."""
    return {
        "id": dedupe_key,
        "source": ORDERS if kind == ORDER_PLACED else SITE,
        "type": kind,
        "time": wire(at),
        "tenant": TENANT,
        "dedupe_key": dedupe_key,
        "identity": {"external_id": visitor},
        **more,
    }


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Loader:
    """Made by `loading`. Seeded but for the clock."""

    def __init__(self, producer: Any, topics: Topics, *, seed: int, sessions_per_second: float, syncs: bool) -> None:
        self._producer, self._topic, self._dice = producer, topics.raw, Random(seed)
        self._rate = sessions_per_second
        self._plan: list[tuple[int, int, Raw | None]] = []  # written at, serial, an event, or None for a sync
        self._serial = itertools.count()
        self._open = True
        self._syncs = syncs
        self.written = 0
        self.broken = 0

    async def run(self) -> None:
        """Until the shop is closed and all has been written; syncs go on until `end`."""
        opened = now_ms()
        sessions = 0
        if self._syncs:
            self._put(opened - opened % SYNC_MS + SYNC_MS, None)
        while self._plan or self._open:
            while self._open and sessions < (now_ms() - opened) * self._rate / 1_000:
                self._session(now_ms())
                sessions += 1
            while self._plan and self._plan[0][0] <= now_ms():
                at, _, record = heapq.heappop(self._plan)
                await (self.sync(at) if record is None else self._write(record))
            await asyncio.sleep(PAUSE_SECONDS)
        await self._producer.flush()

    def close(self) -> None:
        """No more sessions; those that are open go on."""
        self._open = False

    def end(self) -> None:
        """No more syncs."""
        self._syncs = False

    def is_done(self) -> bool:
        """Has everything that was planned been written, but for the next sync?"""
        return not self._open and all(record is None for _, _, record in self._plan)

    async def send(self, *records: Raw) -> None:
        """Write these at once; return when they and all before them are acknowledged."""
        for record in records:
            await self._write(record)
        await self._producer.flush()

    def _session(self, at: int) -> None:
        dice, number = self._dice, next(self._serial)
        visitor = f"v{dice.randrange(VISITORS)}"
        kinds = [VIEW] * dice.randint(1, 3) + [ADD] * (dice.random() < 0.6) + [CHECKOUT] * dice.choice((0, 1, 1, 2))
        for step, kind in enumerate(kinds):
            at += dice.randint(5, 300)
            hit = event(kind, visitor, at=at, dedupe_key=f"hit:{number}:{step}")
            self._put(at, hit)
            if dice.random() < 0.03:
                self._put(at + dice.randrange(2_000), hit)
        if kinds[-1] == CHECKOUT and dice.random() < 0.6:
            self._order(visitor, number, at=at + dice.choice(WAITS_MS) + dice.randint(-400, 400))

    def _order(self, visitor: str, number: int, *, at: int) -> None:
        dice = self._dice
        is_synced = dice.random() < 0.5
        for copy in range(dice.choice((2, 2, 2, 4))):
            value = {"value": {"amount": "19.90", "currency": "USD"}} if copy == 0 else {}
            order = event(ORDER_PLACED, visitor, at=at, dedupe_key=f"order:{number}", **value)
            self._put(-(-at // SYNC_MS) * SYNC_MS if is_synced else at, order | {"id": f"order:{number}:{copy}"})
            at += dice.randint(1, 80)

    def _put(self, at: int, record: Raw | None) -> None:
        # A sync comes after whatever is written at its own moment.
        serial = next(self._serial) if record is not None else 1 << 60
        heapq.heappush(self._plan, (at, serial, record))

    async def _write(self, record: Raw) -> None:
        self.written += 1
        key = record["identity"]["external_id"].encode()
        await self._producer.send(self._topic.name, json.dumps(record).encode(), key=key)
        if self._dice.random() < 0.004:
            self.broken += 1
            await self._producer.send(self._topic.name, BROKEN, key=key)

    async def sync(self, at: int) -> None:
        """Promise that all up to a moment has been written."""
        await self._producer.flush()
        promise = {"source": ORDERS, "tenant": TENANT, "complete_through": wire(at)}
        for partition in range(self._topic.partitions):
            value = json.dumps({"watermark": promise}).encode()
            await self._producer.send(self._topic.name, value, partition=partition)
        if self._syncs:
            self._put(at + SYNC_MS, None)


@asynccontextmanager
async def loading(
    kafka: str, topics: Topics, *, seed: int, sessions_per_second: float, syncs: bool = True
) -> AsyncIterator[Loader]:
    """A shop that is open while the body runs, unless that closes it earlier."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=2) as producer:
        loader = Loader(producer, topics, seed=seed, sessions_per_second=sessions_per_second, syncs=syncs)
        task = asyncio.create_task(loader.run())
        try:
            yield loader
        finally:
            loader.close()
            loader.end()
            await task
