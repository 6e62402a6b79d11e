"""The dispatcher, as far as the worker relies on it: a ledger that takes each id once, however often it is told.

It reads the commands, and dies now and then between the ledger and its committed position; then it is told again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from random import Random

import orjson

from schemas.topics import Topics
from tests.simulation.broker import Broker, Record
from tests.simulation.clockwork import pause


class Ledger:
    """`carried_out` holds, per id, what was sent, each time it was."""

    def __init__(self, broker: Broker, topics: Topics, dice: Random) -> None:
        self._dice = dice
        self._logs = [broker.log(topics.commands.name, number) for number in range(topics.commands.partitions)]
        self._committed = [0] * len(self._logs)
        self._rows: set[object] = set()
        self.hears: Callable[[bytes], None] | None = None
        """Told of every command that is carried out."""
        self.carried_out: dict[str, list[bytes]] = defaultdict(list)

    async def run(self) -> None:
        """For ever."""
        while True:
            await pause(0.2)
            for number, log in enumerate(self._logs):
                for record in log.read(self._committed[number]):
                    self._take(number, record)
                if self._dice.random() < 0.8:
                    self._committed[number] = log.end

    def is_drained(self) -> bool:
        """Whether every command has been taken."""
        return self._committed == [log.end for log in self._logs]

    def identity(self, partition: int, record: Record) -> object:
        """What makes two orders the same one."""
        return order_id(record.value)

    def _take(self, partition: int, record: Record) -> None:
        if (known := self.identity(partition, record)) not in self._rows:
            self._rows.add(known)
            self.carried_out[order_id(record.value)].append(record.value)
            if self.hears is not None and "recall_id" not in orjson.loads(record.value):
                self.hears(record.value)


def order_id(value: bytes) -> str:
    """Of a command, or of the recall of one."""
    body: dict[str, str] = orjson.loads(value)
    return body.get("recall_id") or body["command_id"]
