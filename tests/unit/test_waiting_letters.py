"""How many dead letters wait for somebody, and since when: told from the records of their topic alone."""

from __future__ import annotations

from typing import Any

from agents.dead_letters.waiting import Waiting
from schemas import codec
from schemas.dead_letter import DeadLetterAction, How, letter
from schemas.instants import to_wire

KEPT_MS = 1_000_000
OPEN, OLDEST = "cartwheel_dead_letters_open", "cartwheel_dead_letters_oldest_seconds"


class Topic:
    """A dead letter topic that is written, and what is told of it."""

    def __init__(self, **bounds: int) -> None:
        self.now = 0
        self.waiting = Waiting(kept_ms=KEPT_MS, **bounds, clock_ms=lambda: self.now)
        self.records: list[tuple[bytes, int]] = []

    def refuse(self, offset: int, *, profile: str | None = "acme/ann", reason: str = "broken_json") -> None:
        self._append(
            letter(
                reason=reason, detail="d", stage="worker", topic="log", partition=3, offset=offset, key=b"k",
                value=b"{", refused_at=0, profile=profile,
            )
        )  # fmt: skip

    def deal_with(self, offset: int, how: How = "replayed", *, profile: str | None = "acme/ann") -> None:
        self._append(
            DeadLetterAction(
                action=how, topic="log", partition=3, offset=offset, profile=profile, by="ops", at=to_wire(self.now)
            )
        )

    def told(self) -> tuple[float, float]:
        """Open letters, and the age of the oldest in seconds, once all is read, however often that takes."""
        self.waiting.is_known = True
        for _ in self.records:
            if (again := self.waiting.read_again_from()) is None:
                break
            self._read(again)
        values = {family.name: family.samples[0].value for family in self.waiting.collect()}
        return values[OPEN], values[OLDEST]

    def _append(self, record: Any) -> None:
        self.records.append((codec.encode(record), self.now))
        self._read(len(self.records) - 1)

    def _read(self, first: int) -> None:
        for offset in range(first, len(self.records)):
            value, written_at = self.records[offset]
            self.waiting.take(value, offset=offset, written_at=written_at)
        self.waiting.is_known = True


def test_nothing_is_told_before_the_topic_is_read_to_its_end() -> None:
    assert list(Topic().waiting.collect()) == []


def test_the_oldest_open_letter_counts_until_it_is_dealt_with() -> None:
    topic = Topic()
    assert topic.told() == (0, 0)
    for offset in (1, 2, 3):
        topic.refuse(offset)
        topic.now += 10_000
    assert topic.told() == (3, 30)
    topic.deal_with(1)
    topic.deal_with(3, "dismissed")
    assert topic.told() == (1, 20)
    topic.deal_with(2)
    assert topic.told() == (0, 0)


def test_one_record_may_have_failed_for_several_profiles() -> None:
    topic = Topic()
    topic.refuse(1)
    topic.refuse(1, profile="acme/bob")
    topic.deal_with(1)
    assert topic.told() == (1, 0)


def test_a_letter_that_is_written_twice_is_one_and_stays_dealt_with() -> None:
    topic = Topic()
    topic.refuse(1)
    topic.now += 5_000
    topic.refuse(1)
    assert topic.told() == (1, 5)
    topic.deal_with(1)
    topic.refuse(1)
    assert topic.told() == (0, 0)


def test_a_letter_that_its_topic_keeps_no_longer_waits_no_longer() -> None:
    topic = Topic()
    topic.refuse(1)
    topic.now = KEPT_MS
    topic.refuse(2)
    assert topic.told() == (2, KEPT_MS / 1000)
    topic.now += 1
    assert topic.told() == (1, 0.001)


def test_what_is_no_letter_is_passed_over() -> None:
    topic = Topic()
    topic.waiting.take(b"{", offset=0, written_at=0)
    assert topic.told() == (0, 0)


def test_beyond_the_bound_letters_are_counted_once_those_before_are_dealt_with() -> None:
    topic = Topic(open_max=10)
    for offset in range(35):
        topic.refuse(offset)
        topic.now += 1_000
    assert topic.told() == (10, 35)
    for offset in range(34):
        topic.deal_with(offset)
    assert topic.told() == (1, 1)
    topic.deal_with(34)
    assert topic.told() == (0, 0)


def test_a_conflicting_copy_waits_for_nobody() -> None:
    topic = Topic()
    topic.refuse(1, reason="conflict")
    assert topic.told() == (0, 0)
    topic.refuse(2)
    assert topic.told()[0] == 1
