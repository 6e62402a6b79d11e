"""When a tick may be appended, and how far it may reach."""

from __future__ import annotations

import pytest

from agents.errors import Halted
from agents.worker.ticking import MARK_AGE_MS_MAX, SKEW_MS_MAX, STUCK_SECONDS, TickState, ceiling_at


def appended(state: TickState, *, offset: int = 5, appended_at: int = 1_000, seconds: float = 100) -> TickState:
    state.appended(offset=offset, appended_at=appended_at, sent_at=900, acknowledged_at=1_100, seconds=seconds)
    return state


@pytest.mark.parametrize(
    ("clock_at", "low_water_at", "skew_ms", "expected"),
    [
        (2_000, 1_500, 0, 1_500),
        (1_400, 1_500, 0, 1_400),
        (2_000, None, 0, 700),
        (2_000, 2_000 + SKEW_MS_MAX, SKEW_MS_MAX + 1, 700),
        (2_000 + SKEW_MS_MAX, 1_900, -SKEW_MS_MAX - 1, 700),
        (2_000 + SKEW_MS_MAX, 1_900, -SKEW_MS_MAX, 1_900),
        (1_500 + MARK_AGE_MS_MAX, 1_500, 0, 1_500),
        (1_501 + MARK_AGE_MS_MAX, 1_500, 0, 700),
        (1_500 + MARK_AGE_MS_MAX, 1_500, 1, 700),
        (1_600 + MARK_AGE_MS_MAX, 1_500, -100, 1_500),
    ],
    ids=[
        "intake is behind",
        "our clock is behind",
        "a raw partition has no mark",
        "the broker's clock is far ahead",
        "the broker's clock is far behind",
        "the clocks disagree as far as they may",
        "a mark just fresh enough",
        "an old mark",
        "an old mark by the broker's clock",
        "a mark that only our clock takes for old",
    ],
)
def test_the_ceiling(clock_at: int, low_water_at: int | None, skew_ms: int, expected: int) -> None:
    assert ceiling_at(clock_at=clock_at, low_water_at=low_water_at, through_at=700, skew_ms=skew_ms) == expected


def test_one_tick_at_a_time() -> None:
    state = TickState()
    assert not state.is_outstanding(position=0, now_seconds=100)
    state.sending = True
    assert state.is_outstanding(position=0, now_seconds=100)
    state.sending = False
    appended(state)
    assert state.is_outstanding(position=5, now_seconds=101)
    assert not state.is_outstanding(position=6, now_seconds=101)


def test_a_tick_that_is_never_read_back_ends_the_process() -> None:
    state = appended(TickState(), seconds=100)
    assert state.is_outstanding(position=5, now_seconds=100 + STUCK_SECONDS)
    with pytest.raises(Halted, match="has not been read back"):
        state.is_outstanding(position=5, now_seconds=101 + STUCK_SECONDS)


@pytest.mark.parametrize(
    ("appended_at", "skew_ms"),
    [(1_000, 0), (900, 0), (1_100, 0), (1_100 + 40_000, 40_000), (900 - 40_000, -40_000)],
)
def test_skew_is_what_the_way_to_the_broker_does_not_explain(appended_at: int, skew_ms: int) -> None:
    state = appended(TickState(), appended_at=appended_at)
    assert state.skew_ms == skew_ms
    assert state.is_skewed() is (abs(skew_ms) > SKEW_MS_MAX)


def test_skew_heals_with_the_next_tick() -> None:
    state = appended(TickState(), appended_at=10**9)
    assert state.is_skewed()
    assert not appended(state).is_skewed()


def test_an_append_time_that_was_not_told_says_nothing_about_clocks() -> None:
    assert appended(TickState(), offset=-1, appended_at=-1).skew_ms == 0
