"""The loops of a process that runs until it is told to stop: started together, ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from agents.errors import Halted

STOP_SECONDS_MAX = 27.0  # within the 30 s after which a supervisor kills


async def before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work, or drop it as soon as `stop` is set. Returns whether it was done."""
    tasks = [asyncio.create_task(work), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            await tasks[0]
        return not stop.is_set()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def together(
    loops: Sequence[Coroutine[Any, Any, None]],
    *,
    stop: asyncio.Event,
    name: str,
    last: Callable[[], Coroutine[Any, Any, int]] | None = None,
) -> None:
    """Run the loops until `stop` or until one fails, let the others finish what they do, then `last` until it is 0."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        async with asyncio.timeout(STOP_SECONDS_MAX) as limit:
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            for failure in filter(None, outcomes):
                raise _cause(failure)
            while last is not None and await last():
                pass
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Halted(
            f"the {name} did not stop within {STOP_SECONDS_MAX:g} s",
            next_step="start it again; nothing is lost, and what a dispatcher was sending becomes `unknown`",
        ) from error
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)


def _cause(error: BaseException) -> BaseException:
    """What went wrong, without the wrapping of a task group inside a loop."""
    return _cause(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
