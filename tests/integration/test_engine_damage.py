"""Damage to a real RocksDB is found wherever it sits, and costs no more than a recovery."""

from __future__ import annotations

import gc
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import rocksdict

from agents.errors import CartwheelError, Halted, Unavailable
from agents.faust_engine.damage import MARK, opening

KEYS = [b"%05d" % number for number in range(20_000)]


def _open(path: Path) -> Any:
    gc.collect()  # a database is closed when nothing refers to it, and an exception does for a while
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    return rocksdict.Rdict(str(path), options=options)


def _end(error: BaseException) -> NoReturn:
    raise error


open_watched = opening(_open, end=_end)


def _filled(path: Path) -> Path:
    database = _open(path)
    for key in KEYS:
        database[key] = os.urandom(100)
    database.flush()
    database.close()
    return path


def _overwrite(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(random.Random(1).randbytes(200))


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _keys(path: Path) -> list[bytes] | None:
    """All of them, or None if the process had to end. Nothing refers to the database any more, so it is closed."""
    try:
        return [key for key, _ in open_watched(path).items()]
    except Halted:
        return None


def _gets(path: Path) -> str:
    """Ask for each key, and return what is to be done."""
    database = open_watched(path)
    try:
        return f"{sum(database.get(key) is not None for key in KEYS)} were found"
    except Halted as halted:
        assert "rebuild it from the changelog" in halted.next_step  # noqa: PT017
        return "the next process throws it away"


def test_what_is_whole_is_read_whole(tmp_path: Path) -> None:
    assert [key for key, _ in open_watched(_filled(tmp_path / "whole")).items()] == KEYS
    assert list(open_watched(tmp_path / "empty").items()) == []


@pytest.mark.parametrize("harm", [_overwrite, _cut, Path.unlink], ids=["overwritten", "cut", "removed"])
@pytest.mark.parametrize("kind", ["MANIFEST-*", "CURRENT", "*.sst"])
def test_damage_never_passes_for_a_smaller_store(tmp_path: Path, kind: str, harm: Callable[[Path], None]) -> None:
    path = _filled(tmp_path / "store")
    for file in path.glob(kind):
        harm(file)
    assert (_keys(path) or _keys(path)) == []


def test_a_store_with_a_hole_is_never_opened(tmp_path: Path) -> None:
    """The newest table is forgotten when the list of tables seems cut short, and what came after it is still read."""
    path = tmp_path / "store"
    for life in range(3):
        database = _open(path)
        for key in KEYS[life * 100 : life * 100 + 100]:
            database[key] = bytes(100)
        crashed = shutil.copytree(path, tmp_path / f"crashed-{life}")
        database.close()
        shutil.rmtree(path)
        crashed.rename(path)
    (manifest,) = path.glob("MANIFEST-*")
    whole = manifest.read_bytes()
    dice, thrown_away = random.Random(1), 0
    for at in range(0, len(whole), 10):
        harmed = bytearray(whole)
        harmed[at : at + 30] = dice.randbytes(30)
        tried = shutil.copytree(path, tmp_path / "tried")
        (tried / manifest.name).write_bytes(harmed)
        found = _keys(tried)
        thrown_away += found == []
        assert found in ([], KEYS[:300]), f"damage at {at} leaves {len(found or ())} keys"
        gc.collect()
        shutil.rmtree(tried)
    assert thrown_away > 10


def test_damage_found_at_a_single_key_is_remembered(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store")
    for file in path.glob("*.sst"):
        _overwrite(file)
    assert _gets(path) == "the next process throws it away"
    assert (path / MARK).exists()
    fresh = open_watched(path)
    assert fresh.get(KEYS[0]) is None
    assert not (path / MARK).exists()


def test_a_store_that_is_open_elsewhere_is_left_alone(tmp_path: Path) -> None:
    path = _filled(tmp_path / "store")
    owner = open_watched(path)
    with pytest.raises(Exception, match="lock") as raised:
        open_watched(path)
    assert not isinstance(raised.value, CartwheelError), "Faust asks again as long as it reads `lock`"
    assert owner.get(KEYS[0]) is not None


def test_a_disk_that_refuses_is_not_taken_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.write_text("a file where a folder should be")
    with pytest.raises(Unavailable, match="cannot be used"):
        open_watched(path)
    assert path.read_text()
