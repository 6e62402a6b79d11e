"""The heart of a worker: a beat on its event loop, and a thread that ends the process when there has been none.

A loop that hangs can neither answer nor end itself. So the thread that serves the pages tells of the beat, and another
one ends what has been still for a minute, or has not come to an end after being told to stop.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import threading
import time
from collections.abc import Callable

from agents.errors import Halted
from agents.worker.series import Histogram

BEAT_SECONDS = 0.25
STILL_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 25.0
#: Saying why may hang as well, where nobody reads what we write.
LAST_WORDS_SECONDS = 4.0
DELAY_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Heart:
    """`fail` ends the process, with a reason. `delays` is for Prometheus."""

    def __init__(
        self,
        *,
        fail: Callable[[BaseException], object],
        still_seconds: float = STILL_SECONDS_MAX,
        stop_seconds: float = STOP_SECONDS_MAX,
    ) -> None:
        self._fail = fail
        self.delays = Histogram(
            "cartwheel_event_loop_delay_seconds",
            "How late a beat of the event loop came, four a second.",
            DELAY_SECONDS,
        )
        self._still_seconds, self._stop_seconds = still_seconds, stop_seconds
        self._beats = 0
        self._beaten_seconds: float | None = None
        self.is_stopping = False

    async def beat(self) -> None:
        """Beat until canceled."""
        threading.Thread(target=self._watch, name="heart", daemon=True).start()
        while True:
            self._beats += 1
            self._beaten_seconds = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            self.delays.observe(max(0.0, time.monotonic() - self._beaten_seconds - BEAT_SECONDS))

    def stop(self) -> None:
        """The process has been told to stop: it has half a minute from now on, the last words included."""
        self.is_stopping = True

    def still_seconds(self) -> float:
        """Since the last beat; 0 before the first one."""
        return 0.0 if self._beaten_seconds is None else time.monotonic() - self._beaten_seconds

    def _watch(self) -> None:
        """Count steps of our own, not time: where the whole process was suspended, nothing hangs."""
        step = min(1.0, self._still_seconds / 10)
        still = stopping = 0.0
        beats = -1
        while True:
            time.sleep(step)
            still = still + step if self._beats == beats else 0.0
            stopping += step if self.is_stopping else 0.0
            beats = self._beats
            if still >= self._still_seconds and not self.is_stopping:
                self._end(f"the event loop has not moved for {still:.0f} s; where it stands is written above")
            if stopping >= self._stop_seconds:
                self._end(f"stopping took longer than {stopping:.0f} s; leaving all the same, which is safe")

    def _end(self, why: str) -> None:
        last_resort = threading.Timer(LAST_WORDS_SECONDS, os._exit, [Halted.exit_code])
        last_resort.daemon = True
        last_resort.start()
        faulthandler.dump_traceback()
        self._fail(Halted(why, next_step="start the worker again, nothing is lost; report this if it recurs"))
