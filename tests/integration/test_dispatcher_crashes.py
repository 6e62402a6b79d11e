"""The dispatcher killed, stopped and cut off at the worst moments: nothing is lost, and nothing is sent twice.

Leases are ended by hand where a test would otherwise wait for them. A process that dies while it sends leaves at most
one message for each of its SMTP connections of which nobody knows; everything else is known for sure.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from agents.dispatch.connections import SMTP_LANES
from agents.errors import Unavailable
from agents.mailbox import Mailbox
from agents.settings import LOOPBACK, Settings
from tests.integration.dispatch_stage import NOBODY_LISTENS, FaultySmtp, Stage, command, opened

COUNT = 30
ENDED_SECONDS = 60.0


@pytest.fixture
async def stage(settings: Settings) -> AsyncIterator[Stage]:
    async with opened(settings) as stage:
        yield stage


async def killed_at(stage: Stage, point: str, *, smtp_port: int) -> None:
    """Run a dispatcher until it kills itself at this point."""
    process = await stage.start_process(smtp_port, kill=f"{point}:1")
    assert await ended(process) == -signal.SIGKILL


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(ENDED_SECONDS):
        return await process.wait()


async def test_killed_anywhere_but_in_a_send_every_command_is_sent_exactly_once(settings: Settings) -> None:
    points = ("dispatch_inserted", "dispatch_claimed", "receipt_produced")
    await asyncio.gather(*(killed_and_resumed(settings, point) for point in points))


async def killed_and_resumed(settings: Settings, point: str) -> None:
    # Receipts are written while others are still being sent; on the log channel that makes nothing unknown.
    channel = "log" if point == "receipt_produced" else "email"
    async with Mailbox() as mailbox, beside(settings, point) as stage:
        await stage.order(*(command(number, channel=channel) for number in range(COUNT)))
        await killed_at(stage, point, smtp_port=mailbox.smtp_port)
        await stage.end_leases()
        before = {receipt.receipt_id for receipt in await stage.receipts()}
        async with stage.dispatching(mailbox.smtp_port):
            outcomes = await stage.settled(COUNT)
        receipts = [receipt.receipt_id for receipt in await stage.receipts()]
    assert outcomes == {f"{number:032x}": ("accepted", None) for number in range(COUNT)}
    assert mailbox.store.per_command() == (dict.fromkeys(outcomes, 1) if channel == "email" else {})
    assert len(set(receipts)) == COUNT
    # What had left before the kill and was not marked leaves again, under the same id.
    assert {receipt_id for receipt_id, times in Counter(receipts).items() if times > 1} == before
    assert bool(before) == (point == "receipt_produced")


async def test_killed_in_a_send_it_is_repeated_only_if_that_does_no_harm(settings: Settings) -> None:
    await asyncio.gather(killed_while_mailing(settings), killed_while_logging(settings))


async def killed_while_mailing(settings: Settings) -> None:
    async with Mailbox() as mailbox, beside(settings, "mail") as stage:
        await stage.order(*(command(number) for number in range(COUNT)))
        await killed_at(stage, "dispatch_sent", smtp_port=mailbox.smtp_port)
        assert len(mailbox.store) >= 1
        await stage.end_leases()
        async with stage.dispatching(mailbox.smtp_port):
            outcomes = await stage.settled(COUNT)
    states = Counter(state for state, _ in outcomes.values())
    assert set(states) == {"accepted", "unknown"}
    assert 1 <= states["unknown"] <= SMTP_LANES
    assert {reason for state, reason in outcomes.values() if state == "unknown"} == {"lease_expired"}
    messages = mailbox.store.per_command()
    assert max(messages.values()) == 1
    assert all(messages[command_id] == 1 for command_id, (state, _) in outcomes.items() if state == "accepted")


async def killed_while_logging(settings: Settings) -> None:
    async with beside(settings, "log") as stage:
        await stage.order(command(1, channel="log"))
        await killed_at(stage, "dispatch_sent", smtp_port=NOBODY_LISTENS)
        assert await stage.outcomes() == {command(1).command_id: ("sending", None)}
        await stage.end_leases()
        async with stage.dispatching():
            outcomes = await stage.settled(1)
    assert outcomes == {command(1).command_id: ("accepted", None)}


def beside(settings: Settings, word: str) -> AbstractAsyncContextManager[Stage]:
    """A stage of its own for one of several stories that are told at once."""
    return opened(replace(settings, namespace=f"{settings.namespace}-{word}"))


async def test_asked_to_stop_it_finishes_what_it_sends_and_gives_back_the_rest(stage: Stage) -> None:
    count = 400
    async with Mailbox() as mailbox:
        process = await stage.start_process(mailbox.smtp_port)
        await stage.order(*(command(number) for number in range(count)))
        await stage.until("SELECT 1 FROM commands WHERE state = 'accepted' LIMIT 1", "a first message")
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
        states = Counter(state for state, _ in (await stage.outcomes()).values())
        assert set(states) <= {"accepted", "pending"}
        assert not await stage.query("SELECT 1 FROM commands WHERE state = 'pending' AND lease_until > now()")
        assert len(await stage.receipts()) == states["accepted"]
        async with stage.dispatching(mailbox.smtp_port):
            outcomes = await stage.settled(count)
    assert set(outcomes.values()) == {("accepted", None)}
    assert mailbox.store.per_command() == {f"{number:032x}": 1 for number in range(count)}


async def test_several_dispatchers_share_the_work_and_send_nothing_twice(stage: Stage) -> None:
    async with Mailbox() as mailbox:
        processes = [await stage.start_process(mailbox.smtp_port) for _ in range(2)]
        commands = [command(number) for number in range(300)]
        await stage.order(*commands, *commands)
        outcomes = await stage.settled(len(commands))
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [await ended(process) for process in processes] == [0, 0]
    assert set(outcomes.values()) == {("accepted", None)}
    assert mailbox.store.per_command() == {ordered.command_id: 1 for ordered in commands}


class Wire:
    """A wire to PostgreSQL on a port of its own, which a test can cut and mend."""

    def __init__(self, dsn: str) -> None:
        self._host, self._port = urlsplit(dsn).hostname, urlsplit(dsn).port
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._connected, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        self._ends |= {writer, far_writer}
        await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()


@pytest.fixture
async def wire(stage: Stage) -> Wire:
    wire = Wire(stage.dsn)
    await wire.mend()
    return wire


def through(wire: Wire, dsn: str) -> str:
    parts = urlsplit(dsn)
    return parts._replace(netloc=f"{parts.username}@{LOOPBACK}:{wire.port}").geturl()


async def test_postgresql_lost_for_a_moment_costs_nothing(stage: Stage, wire: Wire) -> None:
    async with FaultySmtp() as smtp, stage.dispatching(smtp.port, postgres=through(wire, stage.dsn)):
        await stage.order(*(command(number) for number in range(100)))
        await stage.until("SELECT 1 FROM commands WHERE state = 'accepted' LIMIT 1", "a first message")
        wire.cut()
        await stage.order(*(command(number) for number in range(100, 150)))
        await wire.mend()
        outcomes = await stage.settled(150)
    wire.cut()
    assert set(outcomes.values()) == {("accepted", None)}
    assert smtp.store.per_command() == {f"{number:032x}": 1 for number in range(150)}


async def test_postgresql_lost_for_long_ends_the_dispatcher_and_loses_nothing(stage: Stage, wire: Wire) -> None:
    async def cut_off(smtp_port: int) -> None:
        async with stage.dispatching(smtp_port, postgres=through(wire, stage.dsn), patience_seconds=1) as task:
            await stage.order(command(1))
            await stage.settled(1)
            wire.cut()
            await stage.order(command(2))
            await task

    async with FaultySmtp() as smtp:
        with pytest.raises(Unavailable) as raised:
            await cut_off(smtp.port)
        assert raised.value.exit_code == 69
        async with stage.dispatching(smtp.port):
            outcomes = await stage.settled(2)
    assert set(outcomes.values()) == {("accepted", None)}
    assert smtp.store.per_command() == {command(1).command_id: 1, command(2).command_id: 1}
