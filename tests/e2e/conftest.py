"""The weeks, each converted once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.weeks import NOT_HERE, SAVED_WEEK, Week, saved_week, synthetic_week


@pytest.fixture(scope="session")
def any_week(tmp_path_factory: pytest.TempPathFactory) -> Week:
    """The week of real clicks, and in a clone without it the synthetic one."""
    return saved_week(_folder(tmp_path_factory)) if SAVED_WEEK.exists() else synthetic_week()


@pytest.fixture(scope="session", params=["saved", "synthetic"])
def week(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Week:
    """Both weeks in turn."""
    if request.param == "synthetic":
        return synthetic_week()
    if not SAVED_WEEK.exists():
        pytest.skip(NOT_HERE)
    return saved_week(_folder(tmp_path_factory))


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("week")
