"""The tuned Faust agent with a command for every checkout at once, so that its answers can be timed.

Run as a program, like the peer that it is made of.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import mode.loop
import msgspec

from benchmarks.peers.job import CHECKOUT, Options
from benchmarks.stock_faust import Peer


class AnsweringPeer(Peer):
    """Waits for nothing."""

    async def track(self, stream: Any) -> None:
        """Apply events, and send before the next one is taken."""
        async for event in stream.events():
            key, value = event.key, event.value
            if not key.startswith("\x00"):
                self.apply(key, value)
                if value["type"] == CHECKOUT:
                    self.did["sent"] += 1
                    await self.commands.send(key=key, value={"id": value["id"]})
            self.positions[event.message.partition] = event.message.offset + 1

    def started(self, key: str, profile: dict[str, Any], event: dict[str, Any]) -> None:
        """Nothing to arm."""


def main(options: Options) -> None:
    """Work until told to stop."""
    mode.loop.use("uvloop")
    logging.disable(logging.INFO)
    import faust

    faust.Worker(AnsweringPeer(options).app, loglevel="WARN").execute_from_commandline()


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Options))
