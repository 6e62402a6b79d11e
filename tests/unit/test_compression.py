"""Batches of records are compressed and read with contexts that are kept, by whatever way others wrote them."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import cramjam
import pytest
import zstandard
from aiokafka.codec import zstd_decode, zstd_encode
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from agents import compression

RECORDS = [(b"%d" % number, b"%d times" % number**5) for number in range(200)]


@pytest.fixture(autouse=True)
def kept() -> None:
    compression.keep_contexts()


def batch() -> bytes:
    builder = DefaultRecordBatchBuilder(2, DefaultRecordBatch.CODEC_ZSTD, 0, -1, -1, -1, 65_536)
    for offset, (key, value) in enumerate(RECORDS):
        builder.append(offset, timestamp=0, key=key, value=value, headers=[])
    return bytes(builder.build())


def test_aiokafka_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no setting for it, so that nothing else would say when it has stopped to work."""
    read: list[int] = []
    original = compression.decompress

    def watched(payload: bytes) -> bytes:
        read.append(len(payload))
        return original(payload)

    monkeypatch.setattr(compression, "decompress", watched)
    compression.keep_contexts()
    found = [(record.key, record.value) for record in DefaultRecordBatch(batch())]
    assert found == RECORDS
    assert len(read) == 1


def test_a_batch_is_what_the_level_makes_of_it() -> None:
    begin = batch().index(zstandard.FRAME_HEADER)
    frame = batch()[begin:]
    records = zstd_decode(frame)
    assert frame == zstandard.ZstdCompressor(level=compression.LEVEL).compress(records)
    assert zstandard.frame_content_size(frame) == len(records)
    assert len(frame) < len(zstd_encode(records, level=1)) + 16


@pytest.mark.parametrize("size", [1, 2_000, 3_000_000])
def test_others_read_ours_and_we_read_theirs(size: int) -> None:
    """aiokafka's own, and frames that do not say how long they are, as a client in Java streams them."""
    payload = random.Random(size).randbytes(size // 2) + bytes(size - size // 2)
    assert zstd_decode(compression.compress(payload)) == payload
    assert compression.decompress(zstd_encode(payload)) == payload
    streaming = zstandard.ZstdCompressor(level=3).compressobj()
    streamed = streaming.compress(payload) + streaming.flush()
    assert zstandard.frame_content_size(streamed) == -1
    assert compression.decompress(memoryview(streamed)) == payload
    assert compression.decompress(streamed + compression.compress(b"more")) == payload + b"more"


def test_what_is_no_frame_or_cut_off_is_refused() -> None:
    with pytest.raises(zstandard.ZstdError):
        compression.decompress(b"no frame at all")
    frame = compression.compress(b"x" * 500_000)
    for cut in (5, len(frame) // 2, len(frame) - 1):
        with pytest.raises(cramjam.DecompressionError):
            compression.decompress(frame[:cut])


def test_threads_do_not_share_them() -> None:
    def round_trips(seed: int) -> bool:
        chance = random.Random(seed)
        payloads = [chance.randbytes(chance.randrange(20_000)) * 3 for _ in range(100)]
        return all(compression.decompress(compression.compress(one)) == one for one in payloads)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trips, range(16)))
