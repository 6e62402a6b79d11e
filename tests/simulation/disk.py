"""Local disks: one small database per partition, which survives its process, loses its last writes, or is wiped."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from agents.faust_engine.store import LocalStore

OFFSET_KEY = b"\xffoffset"
UNDO_MAX = 16


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
    """One partition's. Batches not yet synced may be lost with the machine, the last ones first."""

    def __init__(self) -> None:
        self._content: dict[bytes, bytes] = {}
        self._undo: list[dict[bytes, bytes | None]] = []

    def get(self, key: bytes) -> bytes | None:
        """One value."""
        return self._content.get(key)

    def items(self) -> list[tuple[bytes, bytes]]:
        """All of them, in key order."""
        return sorted(self._content.items())

    def write(self, batch: Batch) -> None:
        """All of a batch."""
        self._undo.append({key: self._content.get(key) for key in batch.changes})
        del self._undo[:-UNDO_MAX]
        self._apply(batch.changes)

    def lose(self, writes: int) -> None:
        """The last writes never reached the disk."""
        for _ in range(min(writes, len(self._undo))):
            self._apply(self._undo.pop())

    def _apply(self, changes: dict[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            if value is None:
                self._content.pop(key, None)
            else:
                self._content[key] = value


class Disk:
    """Of one worker name."""

    def __init__(self) -> None:
        self._databases: dict[int, Database] = {}

    def database(self, partition: int) -> Database:
        """Opened, or made."""
        return self._databases.setdefault(partition, Database())

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
        super().__init__(SimpleNamespace(data=SimpleNamespace(offset_key=OFFSET_KEY)))
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

    def _new_batch(self) -> Any:
        return Batch()

    def _database(self, partition: int) -> Any:
        return self._disk.database(partition)
