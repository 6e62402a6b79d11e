"""Ticks: the owner of a partition appends them to it, and only they release timers. Live clock only.

A tick is worth appending when something is due, when a source has promised more, and once a minute to say that the
owner lives. It never reaches beyond the owner's clock, nor beyond the point up to which intake has forwarded
everything, so that no order that we had received is overtaken.
"""

from __future__ import annotations

from dataclasses import dataclass

from agents.errors import Halted

PAUSE_SECONDS = 0.05
"""Between two ticks of one partition at least; and between two looks at what is due, unless marks move."""
IDLE_SECONDS = 60.0
SKEW_MS_MAX = 30_000
MARK_AGE_MS_MAX = 3_000
"""Of intake's low-water mark. With an older one nothing is released: reminders are late then, never wrong."""
STUCK_SECONDS = 300.0
BACKLOG_MAX = 5_000
"""Records behind the end of the log beyond which no tick is planned. A tick planned then would stand behind records
that arm timers nobody has counted yet, and would release them all at once."""


def ceiling_at(*, clock_at: int, low_water_at: int | None, through_at: int, skew_ms: int) -> int:
    """Up to where timers may be released now: `through_at`, where they have been already, if nothing more is certain.

    `low_water_at` is None while some raw partition has no mark. A mark is the broker's time, so its age is judged by
    our clock corrected by the skew between the two. An old mark proves nothing for a timer that comes to us only now:
    whoever bought since then may lie in the raw topic.
    """
    if low_water_at is None or abs(skew_ms) > SKEW_MS_MAX or clock_at + skew_ms - low_water_at > MARK_AGE_MS_MAX:
        return through_at
    return min(clock_at, low_water_at)


@dataclass(slots=True)
class TickState:
    """What one partition's ticks have come to; monotonic seconds but for `skew_ms`."""

    sending: bool = False
    appended_offset: int = -1
    appended_seconds: float = float("-inf")
    news_version: int = -1
    """Of the marks, when a tick last told their news."""
    skew_ms: int = 0
    """How far the broker's clock was from ours at the last tick."""

    def is_outstanding(self, *, position: int, now_seconds: float) -> bool:
        """True while the last tick is not processed. Raises Halted when that takes so long that nobody reads."""
        if self.sending:
            return True
        if self.appended_offset < position:
            return False
        if now_seconds - self.appended_seconds > STUCK_SECONDS:
            raise Halted(
                f"a tick appended {STUCK_SECONDS:g} s ago at offset {self.appended_offset} has not been read back",
                next_step="see whether the broker is healthy, then start the worker again",
            )
        return True

    def is_skewed(self) -> bool:
        """True while the two clocks are too far apart for timers to be released by either."""
        return abs(self.skew_ms) > SKEW_MS_MAX

    def appended(self, *, offset: int, appended_at: int, sent_at: int, acknowledged_at: int, seconds: float) -> None:
        """A tick is in the log. Skew is how far its append time lies outside the span from sending to acknowledgement.

        A negative offset says that it is there and nothing else.
        """
        self.appended_offset, self.appended_seconds = offset, seconds
        if offset >= 0:
            self.skew_ms = min(0, appended_at - sent_at) or max(0, appended_at - acknowledged_at)
