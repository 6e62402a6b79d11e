"""What aiokafka has fetched, handed out as it decodes it: making a second object of each record takes as long again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class DecodedRecords:
    """Stands in for aiokafka's `PartitionRecords`, over which `FetchResult` goes batch by batch.

    Gives the records of its iterator, which know neither their topic nor their partition.
    """

    def __init__(self, records: Any) -> None:
        self._records = records
        records._consumer_record = _as_decoded

    def __iter__(self) -> Iterator[Any]:
        return self._records._records_iterator  # type: ignore[no-any-return]

    @property
    def next_fetch_offset(self) -> int:
        """The offset after the last record that was given."""
        offset: int = self._records.next_fetch_offset
        return offset


def hand_out_as_decoded(fetcher: Any) -> None:
    """Let a fetcher of aiokafka do so; once per fetcher."""
    if getattr(fetcher, "hands_out_as_decoded", False):
        return
    fetcher.hands_out_as_decoded = True
    fetch = fetcher._proc_fetch_request

    async def fetched(*request: Any) -> Any:
        news = await fetch(*request)
        for found in fetcher._records.values():
            records = getattr(found, "_partition_records", None)  # not of an error, nor of what is used up
            if records is not None and not isinstance(records, DecodedRecords):
                found._partition_records = DecodedRecords(records)
        return news

    fetcher._proc_fetch_request = fetched


def _as_decoded(_: Any, record: Any) -> Any:
    return record
