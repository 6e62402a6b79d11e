"""How aiokafka's fetcher is used: with answers that come soon, but not sooner than they can be worked off, and records
handed out as they were decoded.

Making a second object of each record takes as long again. While an answer is awaited, nothing else is fetched: Faust
lets the broker wait a second and a half for news of the changelog after the last of it has been read. And whoever asks
again while there is still something to do gets a few records of each partition, again and again. Such a batch costs as
much as ten records do, so a worker that was a little behind would fall behind for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

#: For how long the broker may have no answer when there is no news. News is sent at once.
WAIT_MS = 250
#: How often it is looked whether all that came is worked off; and how often at most, 0.1 s in all, so that a partition
#: that is slow holds up the others no longer.
LOOK_SECONDS, LOOKS_MAX = 0.004, 25


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


def adjust(fetcher: Any, *, is_behind: Callable[[], bool]) -> None:
    """Let a fetcher of aiokafka do so; once per fetcher. `is_behind`, asked in its thread: not all is worked off."""
    if getattr(fetcher, "adjusted", False):
        return
    fetcher.adjusted = True
    fetcher._fetch_max_wait_ms = WAIT_MS
    fetch = fetcher._proc_fetch_request

    async def fetched(*request: Any) -> Any:
        for _ in range(LOOKS_MAX):
            if not is_behind():
                break
            await asyncio.sleep(LOOK_SECONDS)
        news = await fetch(*request)
        for found in fetcher._records.values():
            records = getattr(found, "_partition_records", None)  # not of an error, nor of what is used up
            if records is not None and not isinstance(records, DecodedRecords):
                found._partition_records = DecodedRecords(records)
        return news

    fetcher._proc_fetch_request = fetched


def _as_decoded(_: Any, record: Any) -> Any:
    return record
