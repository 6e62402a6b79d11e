"""A log that stays readable while the broker is away: the client would write a hundred lines and more each second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

EVERY_SECONDS = 10.0
#: Kinds of lines that are remembered; then all are forgotten.
KINDS_MAX = 1_000


class Repeats(logging.Filter):
    """Lets each kind of line of the Kafka client pass once in ten seconds, with how many there were since."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """`now` reads a clock in seconds that never goes back."""
        super().__init__()
        self._now = now
        self._said: dict[tuple[str, str], tuple[float, int]] = {}  # kind -> when it passed, how many did not since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it passes. Of another logger every line does."""
        if not record.name.startswith("aiokafka"):
            return True
        kind, now = (record.name, str(record.msg)), self._now()
        said_at, held_back = self._said.get(kind, (float("-inf"), 0))
        if now - said_at < EVERY_SECONDS:
            self._said[kind] = said_at, held_back + 1
            return False
        if len(self._said) >= KINDS_MAX:
            self._said.clear()
        self._said[kind] = now, 0
        if held_back:
            record.msg = f"{record.msg} (and {held_back} more since the last such line)"
        return True
