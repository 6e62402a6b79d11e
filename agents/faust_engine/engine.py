"""The engine as its user sees it: a store, batches, a lag, and a run that lasts until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import time

from aiokafka.errors import KafkaError
from faust.types import TP

from agents.errors import Halted
from agents.faust_engine.app import build
from agents.faust_engine.duties import Duties
from agents.faust_engine.ending import end_process
from agents.faust_engine.options import EngineOptions
from agents.faust_engine.producer import Batches
from agents.faust_engine.store import LocalStore
from agents.topic_reader import read_range

#: A recovery without any progress for so long has died quietly; Faust has several ways to.
RECOVERY_SECONDS_MAX = 60.0
#: So has a rebalance: a group may wait a minute for those members of it that do not come.
REBALANCE_SECONDS_MAX = 120.0
WATCH_SECONDS = 5.0
#: To finish what is in flight after being told to stop, and then to commit, leave the group and stop Faust.
FINISH_SECONDS = 12.0
LEAVE_SECONDS = 10.0

log = logging.getLogger("cartwheel.engine")


class Engine:
    """One worker process in its consumer group. Make it on the event loop that will run it."""

    def __init__(self, options: EngineOptions) -> None:
        self._app = build(options)
        self._options = options
        self.store: LocalStore = self._app.store
        self.batches = Batches(lambda: self._app.producer._producer)  # type: ignore[attr-defined]

    async def run(self, duties: Duties, *, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is in flight and leave. Any failure ends the process instead.

        So does a stop that takes too long. By then all is stored, or it cannot be, as when the broker is away.
        """
        self._app.duties = duties
        self._app.touch()
        # Faust sets its handlers' level, not its loggers': each suppressed debug line would still be made.
        logging.disable(logging.DEBUG)
        watch = asyncio.create_task(self._watch())
        starting = asyncio.create_task(self._start())
        await stop.wait()
        watch.cancel()
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await self._finish()
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing more can be stored
            end_process(error)
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._leave()
        except TimeoutError:
            log.warning("all is stored, and Faust did not stop within %g s: leaving without it", LEAVE_SECONDS)
            logging.shutdown()
            os._exit(0)  # what hangs there would hang at the end of the event loop, too
        starting.cancel()

    def lag(self, partition: int, *, position: int) -> int | None:
        """Records of the log that are not processed yet; `None` if the broker has not said where the log ends.

        May be called from any thread.
        """
        try:
            end = self._app.consumer.highwater(TP(self._options.log_topic, partition))
        except Exception:  # noqa: BLE001 - not assigned, not started, not known: all the same here
            return None
        return None if end is None else max(0, end - position)

    def committed(self, partition: int) -> int | None:
        """The offset of the log that was committed last since the partition is ours, None if none was."""
        return self._app.committed.get(partition)

    @property
    def is_assigned(self) -> bool:
        """Whether the group has given us partitions, be they read already or not."""
        return self._app.expectations.held

    def stall(self) -> str | None:
        """What has made no progress for longer than it may, if anything has; may be called from any thread."""
        what, seconds_max = "rebalance", REBALANCE_SECONDS_MAX
        if self.is_assigned:
            what, seconds_max = "recovery", RECOVERY_SECONDS_MAX
        idle_seconds = time.monotonic() - self._app.touched_at
        if self._app.started_now or idle_seconds <= seconds_max:
            return None
        return f"a {what} has made no progress for {idle_seconds:.0f} s"

    def excuse(self) -> None:
        """The broker does not answer: a rebalance or recovery cannot make progress, and that is nobody's fault here."""
        self._app.touch()

    def recovery_remaining(self) -> int:
        """Changelog records still to be read by the recovery under way."""
        return max(0, self._app.recovery.active_remaining_total())

    @property
    def gaps(self) -> int:
        """How often a fetched batch did not begin where it should."""
        return self._app.expectations.gaps

    def changelog_end(self, partition: int) -> int:
        """The offset after the last changelog record of a partition that the recovery just over has read."""
        end: int = self._app.recovery.active_highwaters[TP(self._options.state_topic, partition)]
        return end + 1

    async def read_changelog(self, partition: int, first: int, end: int) -> list[tuple[bytes, bytes | None]]:
        """Key and value of each record of a changelog partition from `first` on, below `end`.

        Raises Unavailable when none has come for half a minute.
        """
        records = read_range(self._options.kafka, self._options.state_topic, partition, first=first, end=end)
        return [(record.key, record.value) async for record in records]

    async def _start(self) -> None:
        try:
            await self._app.start()
        except Exception as error:  # noqa: BLE001 - a worker that cannot start must not linger
            if not self._app.leaving:
                end_process(error)

    async def _finish(self) -> None:
        app = self._app
        app.leaving = True
        app.expectations.end_tenure()
        app.engine_consumer.stop_flow()
        await app.duties.release()
        app.engine_consumer._unacked_messages.clear()

    async def _leave(self) -> None:
        if self._app.started_now:
            await self._app.engine_consumer.commit()
        await self._app.stop()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            idle_seconds = time.monotonic() - self._app.touched_at
            if self._app.expectations.restoring and idle_seconds > WATCH_SECONDS:
                await self._check_changelog()
            if (stall := self.stall()) is not None:
                end_process(Halted(stall, next_step="see whether the broker is healthy, then start the worker again"))

    async def _check_changelog(self) -> None:
        app = self._app
        try:
            await app.engine_consumer.check_changelog(*app.recovery.active_tps)
        except KafkaError as error:
            # The watch outlives an outage: nothing else ends a recovery that has died in one.
            log.info("the broker does not say what the changelog holds: %r", error)
        except Exception as error:  # noqa: BLE001 - a watch that is gone would be missed by nobody
            end_process(error)
