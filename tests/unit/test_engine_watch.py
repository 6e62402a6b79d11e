"""The watch over recoveries: one that has died quietly ends the process, whatever the broker did meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest
from aiokafka.errors import KafkaTimeoutError

from agents.faust_engine import engine as engine_module
from agents.faust_engine.engine import Engine
from agents.faust_engine.expectations import Expectations
from agents.worker.health import Health


class Ended(Exception):
    """The process would be over."""


class Stuck:
    """An app whose recovery has begun and goes no further, over a broker that answers as told."""

    def __init__(self, *answers: Exception | None, assigned: bool = True) -> None:
        self._answers = list(answers)
        self.expectations = Expectations()
        if assigned:
            self.expectations.begin_tenure()
            self.expectations.recovery_sought(tenure=self.expectations.tenure)
        self.started_now, self.touched_at = False, float("-inf")
        self.asked = 0
        self.recovery = self.engine_consumer = self
        self.active_tps: set[Any] = set()

    async def check_changelog(self, *_: Any) -> None:
        self.asked += 1
        if self._answers and (answer := self._answers.pop(0)) is not None:
            raise answer


class WatchedEngine(Engine):
    """Has the app that it is given."""

    def __init__(self, app: Any) -> None:
        self._app = app


async def ended_by(app: Stuck, monkeypatch: pytest.MonkeyPatch) -> BaseException:
    """What the watch ends the process with."""
    reasons: list[BaseException] = []

    def end(error: BaseException) -> NoReturn:
        reasons.append(error)
        raise Ended

    monkeypatch.setattr(engine_module, "end_process", end)
    monkeypatch.setattr(engine_module, "WATCH_SECONDS", 0.0)
    async with asyncio.timeout(10):
        with pytest.raises(Ended):
            await WatchedEngine(app)._watch()
    return reasons[0]


async def test_a_recovery_without_progress_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "has made no progress" in str(await ended_by(Stuck(), monkeypatch))


@pytest.mark.parametrize(
    ("assigned", "started", "seconds", "said"),
    [
        (True, False, 59, None),
        (True, False, 61, "a recovery has made no progress for 61 s"),
        (False, False, 119, None),
        (False, False, 121, "a rebalance has made no progress for 121 s"),
        (True, True, 1_000, None),
    ],
)
def test_how_long_it_may_take(
    monkeypatch: pytest.MonkeyPatch, assigned: bool, started: bool, seconds: int, said: str | None
) -> None:
    app = Stuck(assigned=assigned)
    app.started_now, app.touched_at = started, 0.0
    monkeypatch.setattr("time.monotonic", lambda: float(seconds))
    health = Health(fail=lambda _: None)
    health.stalled = WatchedEngine(app).stall
    assert health.stalled() == said
    assert said is None or said in health.live().body["why"]


async def test_it_does_so_after_an_outage_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker was away for longer than a question to it may take, and then the recovery was dead."""
    app = Stuck(KafkaTimeoutError(), KafkaTimeoutError())
    said = ended_by(app, monkeypatch)
    assert "has made no progress" in str(await said)
    assert app.asked > 0


async def test_a_watch_that_fails_otherwise_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    defect = RuntimeError("defect")
    assert await ended_by(Stuck(defect), monkeypatch) is defect
