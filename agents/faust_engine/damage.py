"""A local database that is damaged is thrown away: the changelog has all that it held.

RocksDB finds other bytes than it wrote when it opens a database, or not before it reads them. In the first case an
empty one takes its place at once. In the second the process has to end, because what it has read so far may have left
something out, and the next one begins without what is damaged.
"""

from __future__ import annotations

import logging
import shutil
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import rocksdict

from agents.errors import CartwheelError, Halted, Unavailable

#: The framing of a MANIFEST: checksum, length and kind of each piece, none across the end of a frame.
_FRAME_BYTES = 32 * 1024
_PIECE = struct.Struct("<4xHB")
_PIECE_KINDS = range(1, 5)
_UNLOGGED: Any = rocksdict.WriteOptions()
_UNLOGGED.disable_wal = True
#: Taken from an iteration at a time, which is faster than one by one.
_ITEMS = 500
#: A file of this name in the folder of a database says that damage was found while it was read.
MARK = "DAMAGED"

End = Callable[[BaseException], NoReturn]
log = logging.getLogger("cartwheel.engine")


def opening(open_: Callable[[Path], Any], *, end: End) -> Callable[..., Any]:
    """Wrap what opens the database in a folder. `end` ends the process."""

    def opened(path: Path, *, read_only: bool = False) -> Any:
        if (path / MARK).exists():
            _throw_away(path, "its last owner could not read it, or it does not go with its changelog")
        if not _manifest_is_whole(path):
            _throw_away(path, "the list of its tables is cut short")
        try:
            return WatchedDatabase(open_(path), path, end=end)
        except Exception as error:
            if "lock hold" in str(error) or "lock file" in str(error):
                raise  # somebody has it open; Faust tries again
            if not _is_damage(error):
                end(_unusable(path, error))
            _throw_away(path, str(error))
        return WatchedDatabase(open_(path), path, end=end)

    return opened


class WatchedDatabase:
    """As much of a database as is used, where nothing that RocksDB says of its files goes unheard.

    There is no `put`, with which Faust would write a position of its own: see `store` for what may be logged when.
    """

    def __init__(self, database: Any, path: Path, *, end: End) -> None:
        self._database, self._path, self._end = database, path, end

    def get(self, key: bytes) -> bytes | None:
        """The value of a key."""
        try:
            value: bytes | None = self._database.get(key)
        except Exception as error:  # noqa: BLE001 - RocksDB raises nothing more special
            self._give_up(error)
        return value

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes | None]:
        """The value of each of these keys, in less time than one by one."""
        asked = list(keys)
        try:
            return dict(zip(asked, self._database.get(asked), strict=True))
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return next(self.items(), None) is None

    def write(self, batch: Any) -> None:
        """Write a batch."""
        try:
            self._database.write(batch)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def write_unlogged(self, batch: Any) -> None:
        """Write a batch that is lost with the process, unless it has reached a table by then."""
        try:
            self._database.write(batch, _UNLOGGED)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def flush(self, *, wait: bool) -> None:
        """Write everything to tables."""
        try:
            self._database.flush(wait)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)

    def items(self, *, from_key: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Everything from a key on, in key order. The database's own iteration just ends where it cannot read on.

        What is read once does not push out of the cache what is read often.
        """
        snapshot = self._database.snapshot()
        found = snapshot.items(from_key=from_key, read_opt=_read_once())
        reached = None
        while some := list(islice(found, _ITEMS)):
            reached = some[-1][0]
            yield from some
        try:
            end = snapshot.iter()
            end.seek_to_last()
            end.status()
            complete = not end.valid() or end.key() == reached or (from_key is not None and end.key() < from_key)
        except Exception as error:  # noqa: BLE001
            self._give_up(error)
        if not complete:
            self._give_up(Exception(f"Corruption: nothing can be read after {reached!r}"))

    def _give_up(self, error: Exception) -> NoReturn:
        if not _is_damage(error):
            self._end(_unusable(self._path, error))
        mark_damaged(self._path)
        self._end(
            Halted(
                f"the local store {self._path} is damaged ({error})",
                next_step="start the worker again: it will throw the store away and rebuild it from the changelog;"
                " nothing is lost",
            )
        )


def _read_once() -> Any:
    options: Any = rocksdict.ReadOptions()
    options.fill_cache(False)
    return options


def mark_damaged(path: Path) -> None:
    """Whoever opens this database next throws it away."""
    with suppress(OSError):  # without the mark the next process finds the same as this one did
        (path / MARK).touch()


def _manifest_is_whole(path: Path) -> bool:
    """Whether the list of tables ends where its last piece does.

    RocksDB takes one that is cut short for one whose last piece was never written. It then forgets the newest tables
    and still reads the log of what came after them: a store with a hole that says it is complete.
    """
    try:
        content = (path / (path / "CURRENT").read_text(errors="replace").strip()).read_bytes()
    except (OSError, ValueError):  # the latter for a name that is none
        return True  # there is no database yet, or one that RocksDB refuses
    at = 0
    while at < len(content):
        left = _FRAME_BYTES - at % _FRAME_BYTES
        if left < _PIECE.size:
            at += left
            continue
        if len(content) - at < _PIECE.size:
            return False
        length, kind = _PIECE.unpack_from(content, at)
        if kind not in _PIECE_KINDS or length > left - _PIECE.size:
            return False
        at += _PIECE.size + length
    return at == len(content)


def _is_damage(error: Exception) -> bool:
    """Rather than a full disk, a missing permission or too many open files."""
    return str(error).startswith(("Corruption", "IO error: No such file"))


def _throw_away(path: Path, why: str) -> None:
    log.warning("the local store %s is damaged (%s): throwing it away, the changelog has all of it", path, why)
    shutil.rmtree(path)


def _unusable(path: Path, error: Exception) -> CartwheelError:
    return Unavailable(
        f"the local store {path} cannot be used ({error})",
        next_step="see that its disk has room and may be written to, then start the worker again; nothing is lost"
        " (deploy/runbooks/local-store.md)",
    )
