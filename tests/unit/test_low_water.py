"""The low-water mark of a raw partition: what may be promised, and when."""

from __future__ import annotations

import pytest

from agents.intake import low_water
from agents.intake.low_water import LowWater
from schemas.control import Progress, Watermark
from schemas.instants import from_wire, to_wire
from schemas.refusals import Refused

NOON = from_wire("2026-11-21T12:00:00.000Z")


def promise(minute: int, *, source: str = "shop.orders") -> Watermark:
    return Watermark(source=source, complete_through=to_wire(NOON + minute * 60_000), tenant="acme")


def test_forwarded_records_alone_say_nothing_as_others_may_lie_behind_them() -> None:
    mark = LowWater(3)
    mark.acknowledged()
    mark.asked(after=NOON, end=10)
    mark.acknowledged()
    mark.forwarded_below(9)
    assert mark.through_at == 0


def test_an_answered_question_proves_the_time_before_which_it_was_asked() -> None:
    mark = LowWater(3)
    mark.asked(after=NOON, end=10)
    mark.forwarded_below(9)
    assert mark.through_at == 0
    mark.forwarded_below(10)
    assert mark.through_at == NOON - 1


def test_an_open_question_is_not_replaced_by_a_later_one() -> None:
    mark = LowWater(3)
    mark.asked(after=NOON, end=10)
    mark.asked(after=NOON + 500, end=12)
    mark.forwarded_below(11)
    assert mark.through_at == NOON - 1
    mark.forwarded_below(12)
    assert mark.through_at == NOON - 1, "the second question was never asked"
    mark.asked(after=NOON + 900, end=12)
    mark.forwarded_below(12)
    assert mark.through_at == NOON + 899


def test_the_mark_never_moves_back() -> None:
    mark = LowWater(3)
    for after in (NOON, NOON - 60_000):
        mark.asked(after=after, end=0)
        mark.forwarded_below(0)
    assert mark.through_at == NOON - 1


def test_a_watermark_counts_only_when_what_came_before_it_is_acknowledged() -> None:
    mark = LowWater(3)
    mark.note(promise(1))
    assert mark.progress(1).watermarks == ()
    mark.acknowledged()
    assert mark.progress(1).watermarks == (promise(1),)


def test_a_watermark_never_moves_back() -> None:
    mark = LowWater(3)
    for minute in (2, 1):
        mark.note(promise(minute))
    mark.acknowledged()
    mark.note(promise(0))
    mark.acknowledged()
    assert mark.progress(3).watermarks == (promise(2),)


def test_of_several_written_records_the_furthest_of_each_counts() -> None:
    mark = LowWater(3)
    for through, promised in ((NOON, (promise(5), promise(1, source="b"))), (NOON - 9, (promise(4),))):
        mark.restore(Progress(raw_partition=3, forwarded_through=to_wire(through), next_offset=7, watermarks=promised))
    assert mark.through_at == NOON
    assert mark.progress(7).watermarks == (promise(1, source="b"), promise(5))


def test_one_source_too_many_is_refused_and_known_ones_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_water, "SOURCES_MAX", 2)
    mark = LowWater(3)
    mark.note(promise(1, source="a"))
    mark.acknowledged()
    mark.note(promise(1, source="b"))
    with pytest.raises(Refused, match="too_many_sources"):
        mark.note(promise(1, source="c"))
    mark.note(promise(2, source="a"))
    mark.acknowledged()
    assert mark.progress(4).watermarks == (promise(2, source="a"), promise(1, source="b"))
