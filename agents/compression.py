"""Compression of Kafka's record batches: zstd whose contexts are kept.

aiokafka makes a new context for every batch that it reads or writes, which costs 20 µs and more: of a batch of a few
records, as they come at the head of a log, most of what its compression costs.
"""

from __future__ import annotations

import sys
import threading

import zstandard
from aiokafka.codec import zstd_decode
from aiokafka.record.default_records import DefaultRecordBatchBuilder

#: Of zstd. aiokafka takes 3, which takes half as long again and makes records like ours no smaller.
LEVEL = 1


class _Contexts(threading.local):
    """Those of one thread: they cannot be shared."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def keep_contexts() -> None:
    """Have aiokafka use them for all batches of this process. It has no setting for that, nor for the level."""
    module = sys.modules[DefaultRecordBatchBuilder.__module__]
    module.zstd_encode, module.zstd_decode = compress, decompress  # type: ignore[attr-defined]


def compress(payload: bytes | bytearray | memoryview) -> bytes:
    """The records of a batch, as a frame that says how long they are."""
    return _contexts.compressor.compress(payload)


def decompress(payload: bytes | bytearray | memoryview) -> bytes:
    """What is in a frame, whether or not it says how long it is. Raises as aiokafka does for what is cut off, and
    ZstdError for what is no frame.
    """
    reading = _contexts.decompressor.decompressobj()
    records = reading.decompress(payload)
    is_whole = reading.eof and not reading.unused_data
    return records if is_whole else bytes(zstd_decode(payload))  # it also takes several frames
