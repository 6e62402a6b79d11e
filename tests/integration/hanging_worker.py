"""A worker with an injected hang: `python -m tests.integration.hanging_worker HOW worker ...`.

The hang is in the real process, which otherwise is what `cartwheel` runs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

FOREVER_SECONDS = 3600


def _loop_in_the_core() -> None:
    """The first unit of work with an event in it never returns."""
    from streams.partition import Partition

    process = Partition.process

    def hangs(self: Partition, records: Any) -> Any:
        if any(record.key[:1] != b"\x00" for record in records):
            time.sleep(FOREVER_SECONDS)
        return process(self, records)

    Partition.process = hangs  # type: ignore[method-assign]


def _wait_for_state() -> None:
    """State is never acknowledged, and everything else goes on."""
    from agents.worker.unit_of_work import UnitOfWork

    async def hangs(*_: object) -> None:
        await asyncio.sleep(FOREVER_SECONDS)

    UnitOfWork.settle = hangs  # type: ignore[method-assign, assignment]


def _loop_while_stopping() -> None:
    """Giving up the partitions never returns."""
    from agents.worker.heart import Heart
    from agents.worker.owned_partition import OwnedPartition

    async def hangs(_: OwnedPartition) -> None:
        time.sleep(FOREVER_SECONDS)  # noqa: ASYNC251 - the hang

    OwnedPartition.close = hangs  # type: ignore[method-assign, assignment]
    assert Heart.__init__.__kwdefaults__ is not None
    Heart.__init__.__kwdefaults__["stop_seconds"] = 4.0


HANGS: dict[str, Callable[[], None]] = {
    "loop": _loop_in_the_core,
    "state": _wait_for_state,
    "stop": _loop_while_stopping,
}


if __name__ == "__main__":
    from agents.cli import main

    HANGS[sys.argv[1]]()
    main(sys.argv[2:])
