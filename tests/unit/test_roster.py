"""Who is running is noted down, and a home that takes no note is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.errors import Unavailable
from agents.stack import announced, members


def test_a_process_is_listed_while_it_runs(tmp_path: Path) -> None:
    with announced(tmp_path, "worker", metrics_url="http://127.0.0.1:1"):
        assert [(one.name, one.metrics_url) for one in members(tmp_path)] == [("worker", "http://127.0.0.1:1")]
    assert members(tmp_path) == []


def test_a_home_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file where a folder should be")
    with pytest.raises(Unavailable, match="home cannot be written to"), announced(home, "worker"):
        pass
