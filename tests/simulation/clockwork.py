"""A virtual clock for asyncio, and processes that live on it: killed, frozen and thawed between any two of their steps.

Nothing sleeps: when nobody has anything to do, time jumps to the next timer. Whatever a process does runs as a callback
that carries the process in its context, so that a dead one simply takes no further step, without any clean-up, and a
frozen one takes none until it is thawed.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, NoReturn

import pytest

#: Virtual seconds at the beginning: 2026-03-01T00:00:00Z.
BEGINS_SECONDS = 1_772_323_200.0

#: Marks for modules that kill processes: coroutines left behind by these are collected at any time. If the collector
#: comes while a named tuple is made, whose code has no `__import__`, Python cannot even warn of them.
REMAINS = (
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine:pytest.PytestUnraisableExceptionWarning"),
)

_LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


class Died(BaseException):
    """Raised where a process dies in the middle of a step; no handler for errors is meant to catch it."""


class Stuck(AssertionError):
    """Nothing will ever happen again, and somebody still waits."""


class Life:
    """One process from start to end. `steps` counts what it has done between two awaits."""

    def __init__(self, loop: VirtualLoop, name: str, *, dies_at: int | None = None) -> None:
        self.name, self.steps, self.over, self.frozen = name, 0, False, False
        self.cause: BaseException | str = ""
        self.mute = False
        """What it had on its way when it ended arrives nowhere."""
        self.on_end: list[Callable[[], None]] = []
        self._loop, self._dies_at = loop, dies_at
        self._kept: list[Any] = []
        self._context = Context()
        self._context.run(_LIFE.set, self)

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin, or do something beside what it does."""
        self._loop.create_task(work, context=self._context)

    def later(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        """Call back as a step of this process."""
        self._loop.call_later(seconds, callback, *args, context=self._context)

    def end(self, cause: BaseException | str) -> None:
        """It is gone: from here on nothing of it runs."""
        if not self.over:
            self.over, self.cause = True, cause
            self._kept.clear()
            for callback in self.on_end:
                self._loop.later(0, callback)

    def die(self, cause: BaseException | str) -> NoReturn:
        """It is gone in the middle of what it does just now."""
        self.end(cause)
        raise Died

    def check(self) -> None:
        """Before anything that reaches the world: what is left of a dead process reaches nothing."""
        if self.over:
            raise Died

    def spare(self) -> None:
        """It need not die, and is not frozen."""
        self._dies_at = None
        if self.frozen:
            self.thaw()

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT: what has come meanwhile is done now, in the order in which it came."""
        self.frozen = False
        kept, self._kept = self._kept, []
        self._loop.resume(kept)

    def may_step(self, handle: Any) -> bool:
        """Whether this callback may run now."""
        if self.over:
            return False
        if self.frozen:
            self._kept.append(handle)
            return False
        self.steps += 1
        if self.steps == self._dies_at:
            self.end("killed between two steps")
        return not self.over


def life() -> Life | None:
    """The process in which this runs, None for the world around them."""
    return _LIFE.get()


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose time jumps. First come, first served; the same calls give the same order always."""

    def __init__(self) -> None:
        super().__init__()
        self._now = BEGINS_SECONDS
        self._world = Context()
        self.failures: list[str] = []
        """What went wrong without anybody looking."""
        self.set_exception_handler(self._note_failure)
        self.set_task_factory(_quiet_task)

    def _note_failure(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and not isinstance(error, Died):
            self.failures.append(f"{context.get('message')}: {error!r}")

    def time(self) -> float:
        """Virtual seconds since the epoch."""
        return self._now

    def later(self, seconds: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call back as the world, whoever asks for it."""
        return self.call_later(seconds, callback, *args, context=self._world)

    def world(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something that is part of no process."""
        return self.create_task(work, context=self._world)

    def resume(self, handles: list[Any]) -> None:
        """Put back what a frozen process did not do."""
        self._ready.extend(handles)  # type: ignore[attr-defined]

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        if not ready:
            self._jump()
        while ready and not self._stopping:  # type: ignore[attr-defined]
            handle = ready.popleft()
            if not handle._cancelled:
                owner = handle._context.get(_LIFE)
                if owner is None or owner.may_step(handle):
                    handle._run()

    def _jump(self) -> None:
        timers = self._scheduled  # type: ignore[attr-defined]
        while timers:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if not timer._cancelled:
                self._now = max(self._now, timer._when)
                self._ready.append(timer)  # type: ignore[attr-defined]
                return
        raise Stuck("nobody has anything to do any more")

    def _timer_handle_cancelled(self, handle: Any) -> None:
        """Canceled timers are left in the heap until their time comes."""

    def _check_closed(self) -> None:
        """What is left of dead processes may still try, when it is collected; nothing comes of it."""

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        """Generators of dead processes are not closed in good order either."""

    def _process_events(self, event_list: Any) -> None:
        """There are none from outside."""

    def _write_to_self(self) -> None:
        """There are no other threads."""


def _quiet_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    task = asyncio.Task(work, loop=loop, **options)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    return task


async def pause(seconds: float) -> None:
    """Let virtual time pass."""
    loop = asyncio.get_running_loop()
    passed: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(seconds, _pass, passed)
    try:
        await passed
    finally:
        timer.cancel()


def _pass(passed: asyncio.Future[None]) -> None:
    if not passed.done():
        passed.set_result(None)
