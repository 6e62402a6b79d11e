"""Producing: an idempotent producer, and explicit batches to explicit partitions whose offsets come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiokafka.errors import KafkaTimeoutError
from faust.transport.drivers import aiokafka as driver

from agents.compression import keep_contexts
from agents.faust_engine.lease import guard_writes
from agents.outgoing import Written, send

Item = tuple[bytes | None, bytes]
Headers = list[tuple[str, bytes]]


class EngineProducer(driver.Producer):
    """Faust's producer: idempotent, silent without a lease; topics are ours to declare, not its."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    async def on_start(self) -> None:
        """Nothing leaves without a lease."""
        keep_contexts()
        await super().on_start()
        guard_writes(self._producer.client, self.app.lease)  # type: ignore[union-attr, attr-defined]

    async def create_topic(self, topic: str, *args: Any, **kwargs: Any) -> None:
        """Faust wants to create the changelog at every start; `cartwheel topics apply` has done so."""


class Batches:
    """Fills batches and sends them. Never raises for a broker that is away: the client tries until it is back."""

    def __init__(self, producer: Callable[[], Any]) -> None:
        self._producer = producer

    def pack(
        self, items: Sequence[Item], *, size: int | None = None, headers: Callable[[bytes], Headers] | None = None
    ) -> list[Any]:
        """The items in as few batches as hold them, in order; none for no items.

        `size` bounds a batch in bytes before compression, below what the producer is set to. An item larger than a
        batch gets one of its own. `headers` makes those of an item from its value.
        """
        batches: list[Any] = []
        for key, value in items:
            more = {} if headers is None else {"headers": headers(value)}
            fits = batches and (size is None or batches[-1].size() + len(value) <= size)
            if not fits or batches[-1].append(key=key, value=value, timestamp=None, **more) is None:
                batches.append(self._producer().create_batch())
                batches[-1].append(key=key, value=value, timestamp=None, **more)
        for batch in batches:
            batch.close()
        return batches

    async def send(self, topic: str, partition: int, batch: Any) -> Awaitable[Written]:
        """As `agents.outgoing.send` does, and again while the broker is away."""
        while True:
            try:
                return await send(self._producer(), topic, partition, batch)
            except KafkaTimeoutError:
                # The batch before it in this partition still waits for the broker; so this one has not been taken.
                continue
