"""How RocksDB is set for the databases of one process: shares of what it may use, and no compression.

A state is small and much of it is random, so compressing it saves a third of the disk and takes more time than all else
that writing it does; and every read of one unpacks four others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import rocksdict

_MIB = 1024 * 1024
#: Of all partitions of one process together. Faust would take 2 GiB of cache for each one.
_CACHE_BYTES = 512 * _MIB
_WRITE_BUFFER_BYTES = 256 * _MIB
_WRITE_BUFFERS = 2
_OPEN_FILES = 8192
_BLOOM_BITS = 10
#: New tables that are merged into the old ones at once. RocksDB's four write the old ones anew three times as often.
_TABLES_MERGED = 12


def opener(partitions: int) -> Callable[[Path], Any]:
    """What opens, or makes, the database in a folder. `partitions`: how many there are at most; they share a cache."""
    cache = rocksdict.Cache(_CACHE_BYTES)

    def open_database(path: Path) -> Any:
        return rocksdict.Rdict(str(path), options=_options(cache, partitions))

    return open_database


def _options(cache: Any, partitions: int) -> Any:
    tables = rocksdict.BlockBasedOptions()
    tables.set_bloom_filter(_BLOOM_BITS, block_based=False)
    tables.set_block_cache(cache)
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(tables)
    options.set_compression_type(rocksdict.DBCompressionType.none())
    options.set_level_zero_file_num_compaction_trigger(_TABLES_MERGED)
    options.set_max_open_files(_share(_OPEN_FILES, partitions, low=32, high=1024))
    options.set_max_write_buffer_number(_WRITE_BUFFERS)
    options.set_write_buffer_size(
        _share(_WRITE_BUFFER_BYTES // _WRITE_BUFFERS, partitions, low=2 * _MIB, high=16 * _MIB)
    )
    return options


def _share(total: int, parts: int, *, low: int, high: int) -> int:
    return max(low, min(high, total // parts))
