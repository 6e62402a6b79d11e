"""Local disks: one small database per partition, which survives its process, loses its last writes, or is wiped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from agents.faust_engine.store import LocalStore

OFFSET_KEY = b"\xffoffset"
UNTABLED_MAX = 16
SLOTS = 7  # so few that keys share them


class Batch:
    """What RocksDB calls a WriteBatch: written whole or not at all."""

    def __init__(self) -> None:
        self.changes: dict[bytes, bytes | None] = {}

    def put(self, key: bytes, value: bytes) -> None:
        """Set."""
        self.changes[key] = value

    def delete(self, key: bytes) -> None:
        """Remove."""
        self.changes[key] = None


class Database:
    """One partition's. What has not reached a table by the end of a process is gone, unless it was logged; and of the
    last writes, logged or not, a power cut may take any number.
    """

    def __init__(self) -> None:
        self._tables: dict[bytes, bytes] = {}
        self._since: list[tuple[dict[bytes, bytes | None], bool]] = []  # changes, and whether they were logged
        self._content: dict[bytes, bytes] = {}

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes | None]:
        """Several values."""
        return {key: self._content.get(key) for key in keys}

    def get(self, key: bytes) -> bytes | None:
        """One value."""
        return self._content.get(key)

    def is_empty(self) -> bool:
        """Nothing in it."""
        return not self._content

    def items(self, *, from_key: bytes) -> list[tuple[bytes, bytes]]:
        """All of them from a key on, in key order."""
        return sorted(item for item in self._content.items() if item[0] >= from_key)

    def write(self, batch: Batch) -> None:
        """All of a batch."""
        self._write(batch.changes, logged=True)

    def write_unlogged(self, batch: Batch) -> None:
        """The same, without a log."""
        self._write(batch.changes, logged=False)

    def flush(self, *, wait: bool) -> None:
        """Write everything to tables; some time, if nobody waits."""
        if wait:
            self._tables, self._since = dict(self._content), []

    def lose(self, writes: int) -> None:
        """The last writes never reached the disk."""
        del self._since[len(self._since) - min(writes, len(self._since)) :]
        self._read()

    def reopen(self) -> None:
        """Another process opens it."""
        self._since = [(changes, logged) for changes, logged in self._since if logged]
        self._read()

    def _write(self, changes: dict[bytes, bytes | None], *, logged: bool) -> None:
        self._since.append((changes, logged))
        _apply(changes, self._content)
        if len(self._since) > UNTABLED_MAX:
            _apply(self._since.pop(0)[0], self._tables)

    def _read(self) -> None:
        self._content = dict(self._tables)
        for changes, _ in self._since:
            _apply(changes, self._content)


def _apply(changes: dict[bytes, bytes | None], content: dict[bytes, bytes]) -> None:
    for key, value in changes.items():
        if value is None:
            content.pop(key, None)
        else:
            content[key] = value


class Disk:
    """Of one worker name."""

    def __init__(self) -> None:
        self._databases: dict[int, Database] = {}

    def database(self, partition: int) -> Database:
        """Opened, or made."""
        return self._databases.setdefault(partition, Database())

    def reopen(self) -> None:
        """A process begins on it."""
        for database in self._databases.values():
            database.reopen()

    def lose(self, writes: int) -> None:
        """Power was cut."""
        for database in self._databases.values():
            database.lose(writes)

    def discard(self, partition: int) -> None:
        """One database is of no use."""
        self._databases.pop(partition, None)

    def wipe(self) -> None:
        """A new machine."""
        self._databases.clear()


class Store(LocalStore):
    """The engine's local store on such a disk. `effect` is told before and after every write."""

    def __init__(self, disk: Disk, *, effect: Callable[[str], None]) -> None:
        super().__init__(SimpleNamespace(data=SimpleNamespace(offset_key=OFFSET_KEY)), slots=SLOTS)
        self._disk, self._effect = disk, effect

    def kept_offset(self, partition: int) -> int | None:
        """How far the changelog is known, as Faust asks for it."""
        kept = self._disk.database(partition).get(OFFSET_KEY)
        return None if kept is None else int(kept)

    def discard_next_time(self, partition: int) -> None:
        """The next owner finds nothing."""
        self._disk.discard(partition)

    def write(self, partition: int, items: Any, *, changelog_offset: int | None) -> None:
        """As it is, with a moment to die before and after."""
        self._effect("store")
        super().write(partition, items, changelog_offset=changelog_offset)
        self._effect("stored")

    def restore(self, partition: int, records: Any) -> None:
        """The same."""
        self._effect("restore")
        super().restore(partition, records)
        self._effect("restored")

    def settle(self, partition: int, *, wait: bool = True) -> None:
        """The same."""
        if partition in self._unsettled:
            self._effect("settle")
            super().settle(partition, wait=wait)
            self._effect("settled")

    def _new_batch(self) -> Any:
        return Batch()

    def _database(self, partition: int) -> Any:
        return self._disk.database(partition)
