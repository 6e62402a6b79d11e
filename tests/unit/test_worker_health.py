"""Readiness and liveness: what makes a worker not ready, and what makes it not alive; an outage of Kafka never does."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry

from agents.errors import Misconfigured
from agents.metrics_page import Answer, metrics_page
from agents.settings import Port
from agents.worker.health import Health, Watch
from agents.worker.log_ends import LogEnds
from agents.worker.observer import Recovery
from agents.worker.report import PartitionReport, Phase, WorkerReport
from agents.worker.stalls import Stalls

PARTITION = PartitionReport(
    partition=3, position=10, epoch=1, lag_records=0, lag_seconds=0, uncommitted_records=0, committed_age_seconds=0,
    profiles=1, timers_pending=1, timers_overdue=0, oldest_due_seconds=0, through_lag_seconds=0, clock_skew_seconds=0,
    stopped=None,
)  # fmt: skip


def health() -> Health:
    def fail(error: BaseException) -> None:
        raise AssertionError(error)

    return Health(fail=fail)


def look(stalls: Stalls, seconds: float, position: int, end: int | None, *, exempt: Iterable[int] = ()) -> float:
    """How long partition 3 has stood still, as of this look. `end` None: the broker does not answer."""
    stalls.look({3: position}, ends=None if end is None else {3: end}, exempt=set(exempt), seconds=seconds)
    worst = stalls.worst()
    return 0.0 if worst is None else worst.seconds


# --- stalls ----------------------------------------------------------------------------------------------


def test_a_partition_that_stands_below_the_end_of_the_log_stalls() -> None:
    stalls = Stalls()
    assert [look(stalls, at, 10, 20) for at in (0, 10, 60)] == [0, 10, 60]
    assert str(stalls.worst()) == (
        "partition 3 has stood at 10 for 60 s, while the broker answers and the log goes on to 20"
    )


def test_one_that_moves_or_has_nothing_to_do_does_not() -> None:
    stalls = Stalls()
    assert [look(stalls, at, at, 100) for at in (0, 30, 60)] == [0, 0, 0]
    assert [look(stalls, at, 100, 100) for at in (70, 130, 200)] == [0, 0, 0]
    assert look(stalls, 300, 100, 101) == 0, "only now there is something to do"


def test_while_the_broker_does_not_answer_nothing_stalls_and_patience_begins_anew() -> None:
    stalls = Stalls()
    assert [look(stalls, at, 10, 20) for at in (0, 50)] == [0, 50]
    assert [look(stalls, at, 10, None) for at in (55, 120, 1000)] == [0, 0, 0]
    assert [look(stalls, at, 10, 20) for at in (1010, 1050)] == [0, 40]


def test_a_partition_that_is_stopped_on_purpose_is_exempt() -> None:
    stalls = Stalls()
    assert [look(stalls, at, 10, 20, exempt=[3]) for at in (0, 60, 600)] == [0, 0, 0]
    assert [look(stalls, at, 10, 20) for at in (610, 620)] == [0, 10], "after an operator let it go on"


def test_the_one_that_stands_longest_is_named_and_those_given_up_are_forgotten() -> None:
    stalls = Stalls()
    stalls.look({1: 5, 2: 7}, ends={1: 9, 2: 9}, exempt=(), seconds=0)
    stalls.look({1: 6, 2: 7}, ends={1: 9, 2: 9}, exempt=(), seconds=30)
    worst = stalls.worst()
    assert worst is not None
    assert (worst.partition, worst.seconds) == (2, 30)
    stalls.look({1: 6}, ends={1: 9, 2: 9}, exempt=(), seconds=40)
    stalls.look({1: 6, 2: 7}, ends={1: 9, 2: 9}, exempt=(), seconds=50)
    worst = stalls.worst()
    assert worst is not None
    assert (worst.partition, worst.seconds) == (1, 20)


# --- the watch ---------------------------------------------------------------------------------------------


class Ends(LogEnds):
    """A broker that always gives the same answer."""

    def __init__(self, answer: dict[int, int] | None) -> None:
        super().__init__(kafka="nowhere", topic="log")
        self.answer = answer
        self.asked_for: Collection[int] = ()

    async def ends(self, numbers: Collection[int]) -> dict[int, int] | None:
        self.asked_for = numbers
        return self.answer

    async def appended_at(self, number: int, offset: int) -> int | None:
        return 1_000 * number + offset


@dataclass
class Owned:
    """As much of an owned partition as the watch looks at."""

    number: int
    settled_position: int
    position: int
    unread_at: int | None = None
    stopped_because: str | None = None


async def watched(ends: Ends, *owned: Owned) -> tuple[Watch, str]:
    """A watch, after the first thing that it calls for: `unanswered`, or the words with which it ends the process."""
    called: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def call(what: str) -> None:
        if not called.done():
            called.set_result(what)

    watch = Watch(
        Health(fail=lambda error: call(str(error)), stall_seconds=0.06),
        ends=ends,
        owned=lambda: owned,
        unanswered=lambda: call("unanswered"),
        fail=lambda error: call(str(error)),
    )
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        said = await called
    running.cancel()
    return watch, said


async def test_a_partition_that_stands_still_ends_the_process_and_is_named() -> None:
    watch, said = await watched(Ends({3: 20}), Owned(3, settled_position=10, position=12))
    assert said.startswith("partition 3 has stood at 10 for ")
    assert (watch.unread_at(3, 12), watch.unread_at(3, 13), watch.unread_at(4, 12)) == (3012, None, None)


async def test_a_broker_that_does_not_answer_excuses_everybody() -> None:
    _, said = await watched(Ends(None), Owned(3, settled_position=10, position=12))
    assert said == "unanswered"


async def test_the_broker_is_asked_also_while_nothing_is_owned() -> None:
    ends = Ends(None)
    await watched(ends)
    assert list(ends.asked_for) == [0]


# --- the answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "partitions", "why"),
    [
        ("starting", (), "it has not been given partitions yet"),
        ("recovering", (), "it is recovering: 512 changelog records remain"),
        ("working", (), "it owns no partition: there are more workers than partitions"),
        ("stopping", (PARTITION,), "it is stopping"),
    ],
)
def test_a_worker_is_not_ready_and_says_why(phase: Phase, partitions: tuple[PartitionReport, ...], why: str) -> None:
    made = health()
    made.publish(WorkerReport(phase=phase, partitions=partitions, recovery_remaining_records=512))
    assert made.ready() == Answer(ok=False, body={"ready": False, "why": [why]})
    assert made.live().ok, "and lives all the same"


def test_a_worker_that_owns_partitions_is_ready_until_it_is_told_to_stop() -> None:
    made = health()
    made.publish(WorkerReport(phase="working", partitions=(PARTITION,)))
    assert made.ready() == Answer(ok=True, body={"ready": True, "why": []})
    made.heart.stop()
    assert made.ready() == Answer(ok=False, body={"ready": False, "why": ["it is stopping"]})


def test_a_stall_is_fatal_after_a_minute() -> None:
    made = health()
    look(made.stalls, 0, 10, 20)
    look(made.stalls, 59, 10, 20)
    assert made.live().ok
    look(made.stalls, 60, 10, 20)
    assert not made.live().ok
    assert "partition 3 has stood at 10" in made.live().body["why"][0]
    look(made.stalls, 70, 10, None)
    assert made.live().ok, "nobody knows"


def test_a_page_answers_with_its_status_and_the_metrics_stay_where_they_were() -> None:
    good = Answer(ok=True, body={"ready": True})
    bad = Answer(ok=False, body={"live": False, "why": ["it hangs"]})
    with metrics_page(
        CollectorRegistry(), port=Port("NONE", 9180), pages={"/ready": lambda: good, "/live": lambda: bad}
    ) as url:
        root = url.removesuffix("/metrics")
        with urlopen(f"{root}/ready") as answer:
            assert (answer.status, json.load(answer)) == (200, {"ready": True})
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{root}/live")
        with refused.value as error:
            assert (error.code, json.load(error)) == (503, {"live": False, "why": ["it hangs"]})
        with urlopen(url) as answer:
            assert "text/plain" in answer.headers["Content-Type"]


@pytest.mark.parametrize(
    ("host", "reached_at"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("127.0.0.2", "127.0.0.2")]
)
def test_a_page_may_be_at_another_address_and_tells_where_this_machine_reaches_it(host: str, reached_at: str) -> None:
    with metrics_page(CollectorRegistry(), port=Port("NONE", 9180, host=host)) as url, urlopen(url) as answer:
        assert answer.status == 200
        assert url.startswith(f"http://{reached_at}:")


def test_an_address_that_is_not_of_this_machine_is_named() -> None:
    with (
        pytest.raises(Misconfigured, match=r"CARTWHEEL_METRICS_BIND is 192\.0\.2\.1, which cannot be listened at"),
        metrics_page(CollectorRegistry(), port=Port("NONE", 9180, host="192.0.2.1")),
    ):
        pass


# --- what the log says -----------------------------------------------------------------------------------------


def test_a_recovery_says_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    recovery = Recovery()
    with caplog.at_level(logging.INFO, logger="cartwheel.worker"):
        for second in range(13):
            recovery.look(recovering=second < 12, remaining=max(0, 1_000_000 - 100_000 * second), seconds=second)
    assert caplog.messages == [
        "recovering: 500000 changelog records remain, 100000 read in a second, about 5 s to go",
        "recovering: the changelog is read, timers are being counted",
        "recovered within 11 s",
    ]
    assert recovery.seconds == 11
