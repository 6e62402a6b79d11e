"""Kill points are asked for in words that are checked, and do nothing unless they are."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from agents import kill_points
from agents.errors import Misconfigured


def died_by(text: str | None, *reached: str) -> int:
    """The exit code of a process that arms `text` and then reaches some points."""
    script = f"from agents import kill_points as k; k.arm({text!r}); [k.reached(name) for name in {reached!r}]"
    return subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode


def test_nothing_happens_unless_it_is_asked_for() -> None:
    assert died_by(None, *kill_points.POINTS) == 0
    assert died_by("", *kill_points.POINTS) == 0


def test_the_process_dies_at_the_point_and_nowhere_else() -> None:
    assert died_by("seek:1", "rebuild", "recovery") == 0
    assert died_by("seek:1", "rebuild", "seek") == -signal.SIGKILL
    assert died_by("seek:0", "seek") == 0
    assert died_by("seek:1:TERM", "seek") == -signal.SIGTERM


@pytest.mark.parametrize("text", ["seek", "seek:often", "seek:2", "nowhere:1", "seek:1:LOUD", ":1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="NAME:PROBABILITY"):
        kill_points.arm(text)
