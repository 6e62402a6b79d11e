"""The lease: how long this process may believe that its partitions are still its own.

A process that was stopped for longer than the session has lost its partitions and does not know it yet. What its
producer had queued would still go out, as its client never gives a batch up. So nothing is written to a broker's socket
unless the group has known us lately.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka.protocol.produce import ProduceRequest

from agents.errors import Halted
from agents.faust_engine.ending import end_process

#: Of the session; the rest is for what is on its way to the broker.
SHARE = 0.8
#: Between two looks at a lease that has run out.
PAUSE_SECONDS = 0.05
#: A write that has waited for so long belongs to a worker that the group has forgotten.
WAIT_SECONDS = 60.0


class Lease:
    """Runs from the moment at which the last good heartbeat was sent. Renewed from any thread."""

    def __init__(self, *, session_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        """`now` reads a clock in seconds that never goes back."""
        self._seconds = session_seconds * SHARE
        self.now = now
        self._renewed_at = float("-inf")

    def renew(self, at: float) -> None:
        """The group knew us at a moment of `now`."""
        self._renewed_at = max(self._renewed_at, at)

    def is_good(self) -> bool:
        """Whether what is written now gets there while we are a member."""
        return self.now() - self._renewed_at < self._seconds

    async def good(self) -> None:
        """Return while the lease is good; wait for it while it is not, as when the broker was away.

        A worker that has lost its partitions is told so meanwhile, and never gets beyond this. Ends the process after
        60 s.
        """
        waited_since = self.now()
        while not self.is_good():
            if self.now() - waited_since > WAIT_SECONDS:
                end_process(
                    Halted(
                        f"nothing may be written: the group has not answered a heartbeat for {WAIT_SECONDS:g} s",
                        next_step="see whether the broker is healthy, then start the worker again; nothing is lost",
                    )
                )
            await asyncio.sleep(PAUSE_SECONDS)


def watch_heartbeats(coordinator: Any, lease: Lease) -> None:
    """Renew the lease with every heartbeat that the group answers well; once per coordinator."""
    if getattr(coordinator, "watched_by", None) is lease:
        return
    coordinator.watched_by = lease
    beat = coordinator._do_heartbeat

    async def watched() -> bool:
        sent_at = lease.now()
        good: bool = await beat()
        if good:
            lease.renew(sent_at)
        return good

    coordinator._do_heartbeat = watched


def guard_writes(client: Any, lease: Lease) -> None:
    """Let no produce request of a client reach its socket while the lease is not good."""
    send = client.send

    async def guarded(node_id: Any, request: Any, **how: Any) -> Any:
        if isinstance(request, ProduceRequest):
            await client.ready(node_id, **how)  # or connecting would come between the look and the write
            await lease.good()
        return await send(node_id, request, **how)

    client.send = guarded
