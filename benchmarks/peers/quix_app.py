"""The peer on Quix Streams: one stateful `apply` over the log, its state in RocksDB with a changelog topic.

Quix has no timers of its own, so the due times stand in a heap, and every tick that the log brings looks at its head.
The state holds them too, but nothing reads them from there: it forgets what it waits for when it is restarted.
"""

from __future__ import annotations

import heapq
import time
from typing import Any

from quixstreams import Application, State

from benchmarks.peers.job import (
    WAIT_MS,
    Account,
    Books,
    Options,
    Profile,
    apply,
    pack,
    read_event,
    run,
    unpack,
)

COMMIT_SECONDS = 1.0


class Shop:
    """The function that Quix calls for every record, and what it keeps beside the state."""

    def __init__(self) -> None:
        self.books = Books()
        self.waiting: dict[str, int] = {}  # until when, by profile
        self._due: list[tuple[int, str, str]] = []

    def take(self, value: bytes, key: str, timestamp: int, headers: Any, state: State) -> list[dict[str, str]]:
        """One record; returns commands, each with whom it is for."""
        now = time.time_ns() // 1_000_000
        if key.startswith("\x00"):
            return self._remind(now)
        event = read_event(value)
        packed = state.get_bytes("profile")
        profile = unpack(packed) if packed else Profile(event.time, event.time)
        if key not in self.waiting:
            profile.waits = None  # it was reminded: a function can only change the state of its own key
        done = apply(profile, event, not_before=now + WAIT_MS)
        self.books.did[done] += 1
        if done == "duplicate":
            return []
        if done == "armed" and profile.waits is not None:
            due = profile.waits.due_at
            self.waiting[key] = due
            heapq.heappush(self._due, (due, key, profile.waits.checkout_id))
        elif done == "canceled":
            del self.waiting[key]
        state.set_bytes("profile", pack(profile))
        return []

    def processed(self, topic: str, partition: int, offset: int) -> None:
        """Quix has done with a record."""
        self.books.positions[partition] = offset + 1

    def _remind(self, now: int) -> list[dict[str, str]]:
        commands = []
        while self._due and self._due[0][0] <= now:
            due, key, checkout_id = heapq.heappop(self._due)
            if self.waiting.get(key) == due:
                del self.waiting[key]
                self.books.did["sent"] += 1
                commands.append({"send": "checkout_reminder", "checkout_id": checkout_id, "profile": key})
        return commands


def work(options: Options) -> Account:
    """Until told to stop."""
    shop = Shop()
    app = Application(
        broker_address=options.kafka,
        consumer_group=options.app,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_SECONDS,
        state_dir=options.folder,
        producer_extra_config={"acks": "all", "compression.type": "lz4", "linger.ms": 50},
        on_message_processed=shop.processed,
        loglevel="WARNING",
    )
    log = app.topic(options.log_topic, key_deserializer="str", value_deserializer="bytes")
    commands = app.topic(options.commands_topic, key_serializer="str", value_serializer="json")
    (
        app.dataframe(log)
        .apply(shop.take, stateful=True, expand=True, metadata=True)
        .to_topic(commands, key=lambda command: command["profile"])
    )
    app.run()
    return shop.books.account(waiting=len(shop.waiting))


if __name__ == "__main__":
    run(work)
