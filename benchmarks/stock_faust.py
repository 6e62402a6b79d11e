"""The peer: an ordinary Faust agent with a table that does the worker's job the way Faust's documentation shows.

One JSON value per profile: counters, first and last seen, the cart, recent event ids against second deliveries, and the
checkout that is waited for. A timer looks every second for checkouts whose time is over and sends a command for each.
Run as a program; it writes what it has done as JSON when it is told to stop.

Where the documentation leaves a choice, the cheaper one is taken. Its promises are weaker than the worker's: it forgets
what it waits for when it is restarted, may count events twice after a crash, and reminds people whose order it has not
read yet.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import mode.loop
import msgspec

from benchmarks.peers.job import CART, CHECKOUT, ORDER, RECENT_MAX, TOTAL_MIN, WAIT_MS, Account, Options

WAIT_SECONDS = WAIT_MS / 1000
SCAN_SECONDS = 1.0


class Peer:
    """The app and its books."""

    def __init__(self, options: Options) -> None:
        import faust  # after the choice of the event loop

        self.app = faust.App(
            options.app, broker=f"kafka://{options.kafka}", store=f"{options.store}://", datadir=options.folder,
            topic_partitions=options.partitions, web_enabled=False,
            producer_compression_type="lz4" if options.tuned else None,
        )  # fmt: skip
        self.did: Counter[str] = Counter()
        self.positions: dict[int, int] = {}
        self.waiting: dict[str, tuple[float, str]] = {}
        self.profiles = self.app.Table("profiles", key_type=str, partitions=options.partitions)
        self.commands = self.app.topic(options.commands_topic, key_type=str, value_serializer="json")
        events = self.app.topic(options.log_topic, key_type=str, value_serializer="json")
        self.app.agent(events, name="track")(self.track)
        self.app.timer(interval=SCAN_SECONDS)(self.remind)

    async def track(self, stream: Any) -> None:
        """Apply events."""
        async for event in stream.events():
            key = event.key
            if not key.startswith("\x00"):  # ticks mean nothing to it
                self.apply(key, event.value)
            self.positions[event.message.partition] = event.message.offset + 1

    def apply(self, key: str, event: dict[str, Any]) -> None:
        """One event of one profile."""
        profile = self.profiles.get(key) or {"counts": {}, "first_seen": event["time"], "cart": {}, "recent": []}
        if event["id"] in profile["recent"]:
            self.did["duplicate"] += 1
            return
        self.did["applied"] += 1
        profile["recent"].append(event["id"])
        del profile["recent"][:-RECENT_MAX]
        profile["last_seen"] = max(profile.get("last_seen", ""), event["time"])
        profile["identity"] = event["identity"]
        kind = event["type"]
        profile["counts"][kind] = profile["counts"].get(kind, 0) + 1
        if kind == CART:
            sku = event["properties"]["sku"]
            profile["cart"][sku] = profile["cart"].get(sku, 0) + event["properties"]["quantity"]
        elif kind == CHECKOUT:
            self.started(key, profile, event)
        elif kind == ORDER:
            profile["cart"], profile["waits_for"] = {}, None
            self.did["canceled"] += self.waiting.pop(key, None) is not None
        self.profiles[key] = profile

    def started(self, key: str, profile: dict[str, Any], event: dict[str, Any]) -> None:
        """A checkout: wait for its order, unless one is waited for already."""
        if key not in self.waiting and float(event["value"]["amount"]) >= TOTAL_MIN:
            due = time.time() + WAIT_SECONDS
            checkout_id = event["properties"]["checkout_id"]
            profile["waits_for"] = {"checkout_id": checkout_id, "due": due, "items": event["items"]}
            self.waiting[key] = (due, checkout_id)
            self.did["armed"] += 1

    async def remind(self) -> None:
        """Send a command for everybody whose time is over. The table cannot be written here: there is no event."""
        now = time.time()
        for key in [key for key, (due, _) in self.waiting.items() if due <= now]:
            due, checkout_id = self.waiting.get(key, (now + 1, ""))
            if due <= now:  # else an order came while the command before was being sent
                del self.waiting[key]
                self.did["sent"] += 1
                await self.commands.send(key=key, value={"send": "checkout_reminder", "checkout_id": checkout_id})

    def account(self) -> Account:
        """The books."""
        return Account(did=dict(self.did), waiting=len(self.waiting), positions=self.positions)


def main(options: Options, account: Path) -> None:
    """Work until told to stop, then write the account."""
    if options.tuned:
        mode.loop.use("uvloop")
        logging.disable(logging.INFO)
    import faust

    peer = Peer(options)
    try:
        faust.Worker(peer.app, loglevel="WARN").execute_from_commandline()
    finally:
        account.write_bytes(msgspec.json.encode(peer.account()))


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Options), Path(sys.argv[2]))
