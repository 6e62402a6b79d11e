"""The sending loop: claims what is due, has it carried out, writes what became of it.

Commands of one profile take one lane, in order; a lane is one sender with its own connection. A send that waits for its
provider holds up its lane, and the next claim waits for all lanes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from agents.dispatch.leases import ENDS, Claimed, Leases, Outcome
from agents.dispatch.metrics import Metrics
from agents.dispatch.senders import Sender
from agents.dispatch.templates import CannotSend
from agents.kill_points import reached
from schemas import instants

CLAIM_MAX = 200
IDLE_SECONDS = 0.5
SWEEP_EVERY_SECONDS = 1.0
ATTEMPTS_MAX = 12  # with the pauses below a quarter of an hour, as long as a reminder usually waits
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 300.0

_log = logging.getLogger("cartwheel.dispatch")


class Sending:
    """Sends until told to stop. `lanes` has the senders of each name; all of one name are alike."""

    def __init__(
        self,
        *,
        leases: Leases,
        lanes: Mapping[str, Sequence[Sender]],
        carried: bool,
        metrics: Metrics,
        taken: asyncio.Event,
        finished: asyncio.Event,
    ) -> None:
        self._leases, self._lanes, self._carried = leases, lanes, carried
        self._metrics, self._taken, self._finished = metrics, taken, finished
        self._channels = {name: senders[0].channel for name, senders in lanes.items()}
        self._idempotent = [name for name, senders in lanes.items() if senders[0].idempotent]
        for sender, channel in self._channels.items():
            for state in ENDS:
                metrics.outcomes.labels(channel, sender, state)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`; what is being sent is finished, what is only claimed is given back."""
        sweep_at = 0.0
        while not stop.is_set():
            if time.monotonic() >= sweep_at:
                await self._sweep()
                sweep_at = time.monotonic() + SWEEP_EVERY_SECONDS
            self._taken.clear()
            claimed = await self._leases.claim(CLAIM_MAX)
            if claimed:
                reached("dispatch_claimed")
                await self._carry_out(claimed, stop)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._taken.wait(), IDLE_SECONDS)

    async def _sweep(self) -> None:
        for sender, state in await self._leases.sweep(idempotent=self._idempotent):
            if state != "pending":
                self._count(sender, state)

    async def _carry_out(self, claimed: Sequence[Claimed], stop: asyncio.Event) -> None:
        lanes: dict[tuple[str, int], list[Claimed]] = {}
        for row in claimed:
            width = len(self._lanes.get(row.sender, ())) or 1
            lane = zlib.crc32(f"{row.command.tenant}/{row.command.profile_id}".encode()) % width
            lanes.setdefault((row.sender, lane), []).append(row)
        async with asyncio.TaskGroup() as tasks:
            for (name, lane), rows in lanes.items():
                if name in self._lanes:
                    tasks.create_task(self._in_lane(self._lanes[name][lane], rows, stop))
                else:
                    tasks.create_task(self._finish([(row, Outcome("failed", "no_sender")) for row in rows]))

    async def _in_lane(self, sender: Sender, rows: Sequence[Claimed], stop: asyncio.Event) -> None:
        for start in range(0, len(rows), sender.at_once):
            if stop.is_set():
                await self._leases.release(rows[start:])
                return
            await self._send(sender, rows[start : start + sender.at_once])

    async def _send(self, sender: Sender, rows: Sequence[Claimed]) -> None:
        messages: list[tuple[Claimed, Any]] = []
        outcomes: list[tuple[Claimed, Outcome]] = []
        for row in rows:
            message, refusal = self._prepare(sender, row)
            if refusal is None:
                messages.append((row, message))
            else:
                outcomes.append((row, Outcome("failed", refusal)))
        begun = await self._leases.begin([row for row, _ in messages])
        for row, message in messages:
            if row.command_id in begun:
                outcomes.append((row, self._retried(row, await sender.deliver(message))))
        reached("dispatch_sent")
        await self._finish(outcomes)

    def _prepare(self, sender: Sender, row: Claimed) -> tuple[Any, str | None]:
        """The message, or the reason why there is none. Nothing that is wrong with one command may stop the others."""
        if row.command.clock == "carried" and not self._carried:
            return None, "carried_clock"
        if row.attempts >= ATTEMPTS_MAX:
            return None, "attempts_exhausted"
        try:
            return sender.prepare(row.command), None
        except CannotSend as refusal:
            _log.warning("command %s cannot be sent: %s", row.command_id, refusal)
            return None, refusal.reason
        except Exception:  # noqa: BLE001 - whatever it is, it concerns this command only, and nothing was sent
            _log.exception("command %s cannot be sent, by a defect of ours", row.command_id)
            return None, "defect"

    def _retried(self, row: Claimed, outcome: Outcome) -> Outcome:
        """An attempt that did no harm gets a pause, twice as long each time and never the same, or was the last."""
        if outcome.state != "pending":
            return outcome
        if row.attempts + 1 >= ATTEMPTS_MAX:
            return Outcome("failed", "attempts_exhausted")
        self._metrics.retries.labels(row.sender, outcome.reason).inc()
        longest = min(FIRST_RETRY_SECONDS * 2**row.attempts, LONGEST_RETRY_SECONDS)
        return outcome._replace(retry_in=timedelta(seconds=random.uniform(longest / 2, longest)))

    async def _finish(self, outcomes: Iterable[tuple[Claimed, Outcome]]) -> None:
        outcomes = list(outcomes)
        written = await self._leases.finish(outcomes)
        self._metrics.lost_leases.inc(len(outcomes) - len(written))
        for row, outcome in outcomes:
            if row.command_id in written and outcome.state != "pending":
                self._count(row.sender, outcome.state)
                if row.command.clock == "live":
                    self._metrics.latency.observe(time.time() - instants.from_wire(row.command.decided_at) / 1000)
        self._finished.set()

    def _count(self, sender: str, outcome: str) -> None:
        self._metrics.outcomes.labels(self._channels.get(sender, "other"), sender, outcome).inc()
