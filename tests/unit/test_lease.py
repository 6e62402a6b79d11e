"""The lease: nothing is written to a socket unless the group has known us lately."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from aiokafka.protocol.produce import ProduceRequest

from agents.faust_engine.app import build
from agents.faust_engine.lease import SHARE, Lease, guard_writes, watch_heartbeats
from agents.faust_engine.options import EngineOptions

SESSION_SECONDS = 1000.0


NOW = 5_000_000.0


def lease(*, renewed_seconds_ago: float | None) -> Lease:
    made = Lease(session_seconds=SESSION_SECONDS, now=lambda: NOW)
    if renewed_seconds_ago is not None:
        made.renew(NOW - renewed_seconds_ago)
    return made


class Client:
    """Keeps what is sent; also stands for the producer that it is the client of."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.asked = asyncio.Event()
        self.client = self

    async def start(self) -> None:
        """Nobody to connect to."""

    async def ready(self, node_id: int) -> bool:
        self.asked.set()
        return True

    async def send(self, node_id: int, request: Any) -> str:
        self.sent.append(request)
        return "written"


class Coordinator:
    """Answers heartbeats as told."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)

    async def _do_heartbeat(self) -> bool:
        return self.answers.pop(0)


PRODUCE = ProduceRequest(required_acks=-1, timeout=1, topics=[], transactional_id=None)


def test_it_is_good_for_a_share_of_the_session_and_not_before_it_is_renewed() -> None:
    assert not lease(renewed_seconds_ago=None).is_good()
    assert lease(renewed_seconds_ago=SESSION_SECONDS * SHARE - 50).is_good()
    assert not lease(renewed_seconds_ago=SESSION_SECONDS * SHARE + 1).is_good()


def test_a_heartbeat_answered_late_does_not_shorten_it() -> None:
    one = lease(renewed_seconds_ago=0)
    one.renew(NOW - SESSION_SECONDS)
    assert one.is_good()


def test_it_runs_from_when_the_heartbeat_was_sent() -> None:
    """The group counts the session from when it got it."""
    at = [NOW]

    class SlowCoordinator:
        async def _do_heartbeat(self) -> bool:
            at[0] += SESSION_SECONDS * SHARE
            return True

    one, coordinator = Lease(session_seconds=SESSION_SECONDS, now=lambda: at[0]), SlowCoordinator()
    watch_heartbeats(coordinator, one)
    assert asyncio.run(coordinator._do_heartbeat())
    assert not one.is_good()


def test_only_a_good_heartbeat_renews_it() -> None:
    one, coordinator = lease(renewed_seconds_ago=None), Coordinator(False, True)
    watch_heartbeats(coordinator, one)
    watch_heartbeats(coordinator, one)  # at every assignment, and once is enough

    async def beat() -> list[bool]:
        return [
            await coordinator._do_heartbeat() and one.is_good(),
            await coordinator._do_heartbeat() and one.is_good(),
        ]

    assert asyncio.run(beat()) == [False, True]


def test_what_a_stopped_process_had_queued_waits_until_the_group_knows_it_again() -> None:
    one, client = lease(renewed_seconds_ago=SESSION_SECONDS), Client()
    guard_writes(client, one)

    async def play() -> list[int]:
        writing = asyncio.create_task(client.send(0, PRODUCE))
        await client.asked.wait()  # from here on it stands before the lease
        await client.send(0, "metadata request")
        counts = [len(client.sent)]
        one.renew(NOW)
        assert await writing == "written"
        return [*counts, len(client.sent)]

    assert asyncio.run(play()) == [1, 2]


async def test_the_producer_of_the_engine_writes_nothing_before_the_group_knows_it() -> None:
    app = build(
        EngineOptions(
            kafka="127.0.0.1:9", group="shop.worker", instance=None, folder=Path("one"), log_topic="log",
            state_topic="state", partitions=1,
        )
    )  # fmt: skip
    client, producer = Client(), cast(Any, app.producer)
    producer._new_producer = lambda: client
    await producer.on_start()
    writing, asked = asyncio.create_task(client.send(0, PRODUCE)), asyncio.create_task(client.asked.wait())
    await asyncio.wait([writing, asked], return_when=asyncio.FIRST_COMPLETED)
    assert client.sent == []
    app.lease.renew(app.lease.now())
    assert await writing == "written"
