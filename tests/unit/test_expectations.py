"""Which polls are believed, and which recoveries."""

from __future__ import annotations

import pytest

from agents.faust_engine.expectations import HEALS_MAX, Expectations

LOG = ("log", 0)


@pytest.fixture
def expectations() -> Expectations:
    made = Expectations()
    made.begin_tenure()
    return made


def test_nothing_is_expected_before_it_is_sought(expectations: Expectations) -> None:
    assert expectations.next_of(LOG) is None
    expectations.seek({LOG: 17})
    assert expectations.next_of(LOG) == 17
    expectations.taken(LOG, next_offset=20)
    assert expectations.next_of(LOG) == 20


@pytest.mark.parametrize("happens", ["seek", "end", "begin"])
def test_a_poll_under_way_is_not_believed_after_anything_has_moved(expectations: Expectations, happens: str) -> None:
    before = expectations.epoch
    {"seek": lambda: expectations.seek({LOG: 1}), "end": expectations.end_tenure, "begin": expectations.begin_tenure}[
        happens
    ]()
    assert expectations.epoch != before


def test_a_new_tenure_expects_nothing_of_the_old_one(expectations: Expectations) -> None:
    expectations.seek({LOG: 17})
    expectations.end_tenure()
    assert expectations.next_of(LOG) is None
    expectations.begin_tenure()
    assert expectations.next_of(LOG) is None


def test_a_recovery_counts_once_it_has_sought_within_the_tenure(expectations: Expectations) -> None:
    assert not expectations.recovery_is_own()
    expectations.recovery_sought(tenure=expectations.tenure)
    assert expectations.recovery_is_own()
    assert expectations.restoring


def test_a_recovery_that_began_before_the_tenure_does_not_count(expectations: Expectations) -> None:
    began = expectations.tenure
    expectations.end_tenure()
    expectations.recovery_sought(tenure=began)
    assert not expectations.recovery_is_own()
    expectations.begin_tenure()
    expectations.recovery_sought(tenure=began)
    assert not expectations.recovery_is_own()
    assert not expectations.restoring


def test_a_finished_recovery_does_not_outlive_its_tenure(expectations: Expectations) -> None:
    expectations.recovery_sought(tenure=expectations.tenure)
    expectations.end_tenure()
    assert not expectations.recovery_is_own()
    expectations.begin_tenure()
    assert not expectations.recovery_is_own()


def test_a_gap_may_heal_a_few_times_in_a_row(expectations: Expectations) -> None:
    assert all(expectations.heals(LOG) for _ in range(HEALS_MAX))
    assert not expectations.heals(LOG)


def test_a_healed_gap_is_forgotten(expectations: Expectations) -> None:
    assert all(expectations.heals(LOG) for _ in range(HEALS_MAX))
    expectations.taken(LOG, next_offset=5)
    assert expectations.heals(LOG)
