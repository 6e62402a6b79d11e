"""Which fetched batches and which recoveries the engine believes, and what it does with the others.

Each of these has cost records or states once, under two workers.
"""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn, cast

import pytest

from agents.faust_engine import consumer as consumer_module
from agents.faust_engine.app import _rebuilder
from agents.faust_engine.consumer import EngineConsumer
from agents.faust_engine.expectations import HEALS_MAX, Expectations
from agents.faust_engine.lease import Lease

TP: Any = cast(Any, consumer_module).TP
LOG, STATE = TP("log", 0), TP("state", 0)


class Record(NamedTuple):
    offset: int
    timestamp: int = 0


class Ended(Exception):
    """The process would be over."""


class Thread:
    """The client's: notes where it is sought."""

    def __init__(self) -> None:
        self.sought: list[dict[Any, int]] = []

    async def seek_wait(self, partitions: dict[Any, int]) -> None:
        self.sought.append(dict(partitions))

    async def earliest_offsets(self, *tps: Any) -> dict[Any, int]:
        return dict.fromkeys(tps, 0)

    async def highwaters(self, *tps: Any) -> dict[Any, int]:
        return dict.fromkeys(tps, 100)

    def assignment(self) -> set[Any]:
        return {LOG, STATE}


class App:
    """As much of an engine's app as a poll or a rebuild looks at; partition 0 is expected to go on at 5."""

    def __init__(self) -> None:
        self.options = SimpleNamespace(log_topic=LOG.topic, state_topic=STATE.topic, session_seconds=30.0)
        self.lease = Lease(session_seconds=30.0, now=lambda: 1000.0)
        self.expectations = Expectations()
        self.expectations.begin_tenure()
        self.rebalancing = self.in_recovery = False
        self.has_room = True
        self.consumer_generation_id = 1
        self.rebuilt: list[frozenset[int]] = []
        self.duties = SimpleNamespace(has_room=lambda _: self.has_room, rebuild=self._rebuild, release=self._release)
        self.release_fails: Exception | None = None
        self.needs_recovery = False
        self.recovery = SimpleNamespace(
            need_recovery=lambda: self.needs_recovery,
            signal_recovery_start=asyncio.Event(),
            signal_recovery_end=asyncio.Event(),
        )
        self.assignor = SimpleNamespace(assigned_actives=lambda: {LOG, STATE})
        self.store = SimpleNamespace(kept_offset=lambda _: None)

    def touch(self) -> None:
        """Progress."""

    def mark_stopped(self) -> None:
        """Partitions are being revoked."""

    async def _release(self) -> None:
        if self.release_fails is not None:
            raise self.release_fails

    async def _rebuild(self, partitions: frozenset[int], wanted: object) -> None:
        self.rebuilt.append(partitions)


class Consumer(EngineConsumer):
    """Ours, over that thread, with a list for an agent."""

    log: Any = logging.getLogger("consumer")

    def __init__(self, app: Any) -> None:
        self.app, self._thread = app, cast(Any, Thread())
        self.flow_active = True
        self.taken: list[int] = []

    async def callback(self, message: Any) -> None:
        self.taken += [record.offset for record in message.value]

    @property
    def sought(self) -> list[dict[Any, int]]:
        return cast(Thread, self._thread).sought


@pytest.fixture
async def app() -> App:
    made = App()
    made.expectations.seek({LOG: 5})
    return made


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What the consumer has ended the process with."""
    reasons: list[BaseException] = []

    def end(error: BaseException) -> NoReturn:
        reasons.append(error)
        raise Ended

    monkeypatch.setattr(consumer_module, "end_process", end)
    return reasons


async def hand_over(app: App, *offsets: int, epoch: int | None = None) -> Consumer:
    consumer = Consumer(app)
    epoch = app.expectations.epoch if epoch is None else epoch
    await consumer._hand_over(LOG, [Record(offset) for offset in offsets], epoch=epoch)
    return consumer


async def test_what_is_expected_is_taken(app: App) -> None:
    consumer = await hand_over(app, 5, 6)
    assert (consumer.taken, consumer.sought) == ([5, 6], [])
    assert app.expectations.next_of(LOG) == 7


@pytest.mark.parametrize("first", [5, 9])
async def test_a_poll_during_which_something_was_sought_is_given_back_to_where_it_is_expected(
    app: App, first: int
) -> None:
    """Also if it begins there by chance; and never to its own first record."""
    before = app.expectations.epoch
    app.expectations.seek({STATE: 0})
    consumer = await hand_over(app, first, first + 1, epoch=before)
    assert (consumer.taken, consumer.sought) == ([], [{LOG: 5}])
    assert app.expectations.next_of(LOG) == 5


@pytest.mark.parametrize("why", ["rebalancing", "in_recovery", "has_room"])
async def test_what_comes_when_nothing_may_be_taken_is_given_back(app: App, why: str) -> None:
    setattr(app, why, why != "has_room")
    consumer = await hand_over(app, 5, 6)
    assert (consumer.taken, consumer.sought) == ([], [{LOG: 5}])


async def test_what_nobody_has_sought_is_passed_over(app: App) -> None:
    app.expectations.begin_tenure()
    consumer = await hand_over(app, 5, 6)
    assert (consumer.taken, consumer.sought) == ([], [])


async def test_a_gap_is_sought_back_and_ends_the_process_if_it_comes_again_and_again(
    app: App, ends: list[BaseException]
) -> None:
    for _ in range(HEALS_MAX):
        consumer = await hand_over(app, 9, 10)
        assert (consumer.taken, consumer.sought) == ([], [{LOG: 5}])
    with pytest.raises(Ended):
        await hand_over(app, 9, 10)
    assert "was sought to 5 and gives 9 again and again" in str(ends[0])


async def test_a_worker_that_was_away_for_longer_than_its_session_ends_at_the_revocation(
    app: App, ends: list[BaseException]
) -> None:
    """What its producer has queued cannot be taken back, and the partitions may be another's."""
    app.lease.renew(1000.0 - 31.0)
    app.release_fails = AssertionError("it has written its states")
    with pytest.raises(Ended):
        await Consumer(app).on_partitions_revoked({LOG, STATE})
    assert "was away for longer than its session of 30 s" in str(ends[0])
    assert app.expectations.next_of(LOG) is None


async def test_a_state_that_cannot_be_written_at_a_revocation_ends_the_process(
    app: App, ends: list[BaseException]
) -> None:
    """Faust would log it and go on."""
    app.lease.renew(1000.0)
    app.release_fails = RuntimeError("stuck")
    with pytest.raises(Ended):
        await Consumer(app).on_partitions_revoked({LOG, STATE})
    assert ends == [app.release_fails]


async def test_an_end_of_recovery_that_was_signaled_before_its_seek_is_forgotten(app: App) -> None:
    app.recovery.signal_recovery_end.set()
    await Consumer(app).seek_wait({STATE: 0})
    assert not app.recovery.signal_recovery_end.is_set()
    assert app.expectations.recovery_is_own()


async def test_a_recovery_that_has_sought_and_read_everything_is_followed_by_a_rebuild(app: App) -> None:
    app.expectations.recovery_sought(tenure=app.expectations.tenure)
    await _rebuilder(cast(Any, app))()
    assert app.rebuilt == [frozenset({0})]


@pytest.mark.parametrize("why", ["it is an older one", "more is to be read", "another one is signaled"])
async def test_a_recovery_that_is_only_said_to_be_over_is_not(app: App, why: str) -> None:
    app.expectations.recovery_sought(tenure=app.expectations.tenure)
    match why:
        case "it is an older one":
            app.expectations.begin_tenure()
        case "more is to be read":
            app.needs_recovery = True
        case _:
            app.recovery.signal_recovery_start.set()
    await _rebuilder(cast(Any, app))()
    assert app.rebuilt == []


async def test_alarms_that_compare_two_clocks_say_nothing(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Hole H: Faust's would look at fetch times of the client, which are by another clock."""
    consumer = Consumer(app)
    await consumer.verify_all_partitions_active()
    consumer.verify_recovery_event_path(1e9, STATE)
    assert caplog.records == []
