"""Traffic for the engine's tests: a profile log as intake would write it, with its marks, at a steady rate."""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from contextlib import suppress
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas import codec
from schemas.control import Progress, Watermark
from schemas.instants import to_wire
from schemas.topics import Topics

TENANT = "shop"
SOURCE = "shop.orders"
TYPES = ("commerce.product.viewed.v1", "commerce.checkout.started.v1", "commerce.order.placed.v1")
SHARES = (45, 40, 15)


class Traffic:
    """Seeded but for the clock. Some events are late, some come twice; the promises of the source are uneven."""

    def __init__(self, *, kafka: str, topics: Topics, seed: int, events: int, per_second: float, profiles: int) -> None:
        self._kafka, self._topics, self._random = kafka, topics, random.Random(seed)
        self._events, self._per_second, self._profiles = events, per_second, profiles
        self._last: tuple[bytes, bytes] | None = None
        self.written = 0
        self.all_written = asyncio.Event()

    async def run(self) -> None:
        """Write all events, or those until `enough` is called, then only marks, until canceled."""
        async with AIOKafkaProducer(bootstrap_servers=self._kafka, acks="all", linger_ms=3) as producer:
            began, marked = time.monotonic(), 0.0
            while True:
                now = time.monotonic()
                due = min(self._events, int((now - began) * self._per_second))
                for _ in range(due - self.written):
                    await self._event(producer)
                self.written = max(due, self.written)
                if now - marked > 0.15:
                    await producer.flush()
                    await self._marks(producer)
                    marked = now
                if self.written == self._events and not self.all_written.is_set():
                    await producer.flush()  # handed over is not written
                    self.all_written.set()
                await asyncio.sleep(0.02)

    def enough(self) -> None:
        """No more events; marks go on."""
        self._events = self.written

    async def _event(self, producer: Any) -> None:
        random_ = self._random
        if self._last is None or random_.random() > 0.03:
            profile = f"p{random_.randrange(self._profiles):05}"
            late_ms = random_.randrange(3500) if random_.random() < 0.4 else 0
            (type_,) = random_.choices(TYPES, SHARES)
            event = {
                "id": f"{random_.getrandbits(64):x}",
                "source": SOURCE,
                "type": type_,
                "time": to_wire(int(time.time() * 1000) - late_ms),
                "tenant": TENANT,
                "identity": {"profile_id": profile},
                "properties": {"checkout_id": f"c{random_.randrange(5)}"},
            }
            self._last = (f"{TENANT}/{profile}".encode(), orjson.dumps(event))
        key, value = self._last
        partition = zlib.crc32(key) % self._topics.profile_log.partitions
        await self._send(producer, self._topics.profile_log.name, value, key=key, partition=partition)

    async def _marks(self, producer: Any) -> None:
        now = int(time.time() * 1000)
        promise = Watermark(source=SOURCE, complete_through=to_wire(now - self._random.randrange(1200)), tenant=TENANT)
        for number in range(self._topics.raw.partitions):
            mark = Progress(
                raw_partition=number, forwarded_through=to_wire(now - 1), next_offset=0, watermarks=(promise,)
            )
            await self._send(producer, self._topics.progress.name, codec.encode(mark), key=str(number).encode())

    async def _send(self, producer: Any, topic: str, value: bytes, **where: Any) -> None:
        """What a broker that is away does not take is not part of the traffic: the log says what was."""
        with suppress(KafkaError):
            written = await producer.send(topic, value, **where)
            written.add_done_callback(lambda done: done.cancelled() or done.exception())
