"""The folder of a worker's local store: one process at a time, one log, and no copy that is too old."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.errors import Misconfigured
from agents.worker.folder import store_folder

DAY_MS = 86_400_000
NOW = 1_790_000_000_000


@contextmanager
def opened(root: Path, *, incarnation: str = "log", at: int = NOW) -> Iterator[Path]:
    with store_folder(
        root, instance="one", incarnation=incarnation, idle_ms_max=7 * DAY_MS, clock_ms=lambda: at
    ) as own:
        yield own


def write(folder: Path, *, at: int = NOW) -> None:
    """A database with one file, last written to at a moment."""
    (folder / "7.db").mkdir(exist_ok=True)
    (folder / "7.db" / "1.sst").write_text("states")
    for one in (folder / "7.db" / "1.sst", folder / "7.db", folder):
        os.utime(one, (at / 1000, at / 1000))


def test_what_was_written_lately_is_still_there(tmp_path: Path) -> None:
    with opened(tmp_path) as own:
        write(own)
    with opened(tmp_path, at=NOW + 6 * DAY_MS) as own:
        assert (own / "7.db" / "1.sst").exists()


def test_a_store_older_than_the_tombstones_of_its_changelog_is_thrown_away(tmp_path: Path) -> None:
    with opened(tmp_path) as own:
        write(own)
    with opened(tmp_path, at=NOW + 8 * DAY_MS) as own:
        assert list(own.iterdir()) == []


def test_a_store_of_another_log_is_thrown_away(tmp_path: Path) -> None:
    with opened(tmp_path) as own:
        write(own)
    with opened(tmp_path, incarnation="other") as own:
        assert list(own.iterdir()) == []
        assert not (own.parent / "log").exists()


def test_two_processes_do_not_share_one(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(Misconfigured, match="is running on this machine"), opened(tmp_path):
        pass
