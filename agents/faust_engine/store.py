"""The local store: one RocksDB database per partition, opened by Faust, read and written by us.

It holds what the changelog holds up to a position kept beside it, and is only a faster copy: without it everything
comes back from the changelog.

A recovery writes past RocksDB's own log. A process that dies in it loses the last of these writes, and with them the
position that goes with them. So nothing may be written to that log before they are in a table: it would be read back
without them, and say that they are there. `settle` sees to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import rocksdict

from agents.faust_engine.damage import mark_damaged
from schemas import codec

#: Of all partitions of one process together. Of a million keys one in sixteen is looked up for nothing, of ten million
#: every other one.
MARKS_BYTES = 16 * 1024 * 1024
_FIRST_KEY = b"\x01"  # below it are the keys that are no profile's


class LocalStore:
    """Never ask for a partition that this process does not own: asking opens, and so locks, its database."""

    def __init__(self, table: Any, *, slots: int) -> None:
        """`slots`: how many marks there are for the keys that a recovery has written to one partition, a byte each."""
        self._table, self._slots = table, slots
        self._stale: dict[int, dict[bytes, int]] = {}  # profile key: offset of the older record that stands last
        self._unsettled: dict[int, bytearray | None] = {}  # in recovery; the marks, if it was empty

    def load(self, partition: int, key: bytes) -> bytes | None:
        """The state under a key, or None."""
        value: bytes | None = self._database(partition).get(key)
        return value

    def kept_offset(self, partition: int) -> int | None:
        """The changelog offset up to which the store is complete; None if it holds nothing yet."""
        kept = self._database(partition).get(self._table.data.offset_key)
        return None if kept is None else int(kept)

    def discard_next_time(self, partition: int) -> None:
        """It does not go with its changelog; a database that is open cannot be removed."""
        mark_damaged(self._table.data.partition_path(partition))

    def scan(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Every profile of a partition, in key order."""
        marker = self._table.data.offset_key
        return (item for item in self._database(partition).items(from_key=_FIRST_KEY) if item[0] != marker)

    def write(self, partition: int, items: Iterable[tuple[bytes, bytes]], *, changelog_offset: int | None) -> None:
        """Write states, and the changelog offset up to which the store is complete, in one batch.

        `changelog_offset` None leaves the kept one as it is.
        """
        self.settle(partition)
        batch = self._new_batch()
        for key, value in items:
            batch.put(key, value)
        if changelog_offset is not None:
            batch.put(self._table.data.offset_key, str(changelog_offset).encode())
        self._database(partition).write(batch)

    def restore(self, partition: int, records: Sequence[Any]) -> None:
        """Take in a fetched batch of the changelog, and how far it is known, in one write.

        Per key the record that ranks highest stays, wherever in the changelog it stands: a worker that lost the
        partition without noticing may have written an older state after a newer one. A tombstone is taken as it comes.
        Raises `Undecodable` for state of a schema version that this program does not know.
        """
        database = self._database(partition)
        stale = self._stale.setdefault(partition, {})
        held = self._held(partition, records)
        newest: dict[bytes, bytes | None] = {}
        for record in records:
            key, value = record.key, record.value
            if key == codec.CLAIM_KEY:
                continue
            if value is not None:
                known = newest[key] if key in newest else held.get(key)
                if known is not None and codec.rank(key, value) < codec.rank(key, known):
                    if key != codec.PARTITION_KEY:  # which whoever owns the partition writes again anyway
                        stale.setdefault(key, record.offset)
                    continue
            if stale:
                stale.pop(key, None)
            newest[key] = value
        # Who dies before those are written again must come upon them again.
        known_through = min(stale.values(), default=records[-1].offset + 1) - 1
        database.write_unlogged(self._changes(partition, newest, known_through=known_through))

    def settle(self, partition: int, *, wait: bool = True) -> None:
        """Whatever a recovery has written outlives this process from here on; if nobody waits, from some time on."""
        if partition in self._unsettled:
            self._database(partition).flush(wait=wait)
            if wait:
                del self._unsettled[partition]

    def take_stale(self, partition: int) -> list[bytes]:
        """The profiles whose last record in the changelog is older than their state. Compaction would keep that
        record, so whoever owns the partition has to write their states again.
        """
        return list(self._stale.pop(partition, ()))

    def _held(self, partition: int, records: Sequence[Any]) -> dict[bytes, bytes | None]:
        """What the database has under the keys of these records, as far as it can have anything.

        Asking takes longer than writing. While a database that was empty is being filled, most keys are new to it.
        """
        database = self._database(partition)
        if partition not in self._unsettled:
            self._unsettled[partition] = bytearray(self._slots) if database.is_empty() else None
        marks, slots = self._unsettled[partition], self._slots
        if marks is None:
            keys = {record.key for record in records}
        else:
            keys = {key for record in records if marks[hash(key := record.key) % slots]}
        return database.get_many(keys) if keys else {}

    def _changes(self, partition: int, newest: Mapping[bytes, bytes | None], *, known_through: int) -> Any:
        batch, marks, slots = self._new_batch(), self._unsettled[partition], self._slots
        for key, value in newest.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self._table.data.offset_key, str(known_through).encode())
        if marks is not None:
            for key in newest:
                marks[hash(key) % slots] = 1
        return batch

    def _new_batch(self) -> Any:
        return rocksdict.WriteBatch(raw_mode=True)

    def _database(self, partition: int) -> Any:
        return self._table.data._db_for_partition(partition)
