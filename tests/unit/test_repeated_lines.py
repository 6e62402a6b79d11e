"""Lines that the Kafka client repeats: said once in ten seconds, with how many there were; ours are all said."""

from __future__ import annotations

import logging

from agents.worker.repeats import KINDS_MAX, Repeats


class Clocked:
    """A filter, a clock, and what has passed."""

    def __init__(self) -> None:
        self.now = 0.0
        self.passed: list[str] = []
        self._filter = Repeats(now=lambda: self.now)

    def say(self, message: str, *args: object, name: str = "aiokafka.conn") -> None:
        record = logging.LogRecord(name, logging.ERROR, "file", 1, message, args, None)
        if self._filter.filter(record):
            self.passed.append(record.getMessage())


def test_a_repeated_line_passes_once_in_ten_seconds_and_says_how_many_there_were() -> None:
    log = Clocked()
    for tenth in range(250):
        log.now = tenth / 10
        log.say("no node %s", 1)
        log.say("no node %s", 2)
        log.say("no metadata")
    assert log.passed == [
        "no node 1",
        "no metadata",
        "no node 1 (and 199 more since the last such line)",
        "no metadata (and 99 more since the last such line)",
        "no node 1 (and 199 more since the last such line)",
        "no metadata (and 99 more since the last such line)",
    ]


def test_lines_of_others_always_pass() -> None:
    log = Clocked()
    for _ in range(3):
        log.say("stopping", name="cartwheel.worker")
    assert log.passed == ["stopping"] * 3


def test_ever_new_lines_are_not_remembered_for_ever() -> None:
    log = Clocked()
    for number in range(2 * KINDS_MAX + 1):
        log.say(f"line {number}")
    assert len(log.passed) == 2 * KINDS_MAX + 1
    assert len(log._filter._said) == 1
