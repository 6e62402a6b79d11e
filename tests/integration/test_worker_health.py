"""A worker that hangs turns red and ends by itself; one whose broker is away does neither. It is ready if it works."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil
import pytest

from agents import stack as local_stack
from agents.console import Console
from agents.forecast import WINDOWS
from agents.settings import Settings
from agents.stack import Addresses
from agents.worker.log_ends import LogEnds
from agents.worker.pages import read_pages
from agents.worker.report import WorkerReport
from schemas import codec
from schemas.decision import Decision
from schemas.waits import waits_of
from tests.e2e.processes import ROOT, Process, cartwheel, free_port
from tests.integration.engine_log import remove
from tests.integration.engine_rig import SESSION_SECONDS, Rig, rig
from tests.integration.engine_verdict import read

STALL_SECONDS = 6
WAIT_SECONDS = 60.0
STOP_SECONDS = 30.0


class Probed:
    """A worker and the answers of its page."""

    def __init__(self, process: Process, port: int) -> None:
        self.process, self._port = process, port

    @classmethod
    async def start(cls, made: Rig, *, hang: str = "", session_seconds: float = SESSION_SECONDS) -> Probed:
        """A worker of the rig, with one of the hangs of `hanging_worker` if one is named."""
        port = free_port()
        arguments = ["worker", "--flows", str(made.flows), "--instance", "one", "--stall-seconds", str(STALL_SECONDS)]
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *(["-m", "tests.integration.hanging_worker", hang] if hang else ["-m", "agents.cli"]),
            *(*arguments, "--session-seconds", str(session_seconds)),
            env={**os.environ, **made.environ, "PYTHONPATH": str(ROOT), "CARTWHEEL_METRICS_PORT_WORKER": str(port)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        process = Process("worker", child)
        made.workers.append(process)
        return cls(process, port)

    async def ask(self, path: str) -> tuple[int, Any]:
        """Status and body; 0 and nothing while nobody listens."""
        return await asyncio.to_thread(self._ask, path)

    def _ask(self, path: str) -> tuple[int, Any]:
        try:
            with urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)
        except URLError:
            return 0, None

    async def until(self, path: str, wanted: Callable[[int, Any], bool]) -> Any:
        """The body, as soon as status and body are what is waited for."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                status, body = await self.ask(path)
                if wanted(status, body):
                    return body
                await asyncio.sleep(0.1)


async def _write(made: Rig, *, events: int, seed: int = 1) -> None:
    """Events that whoever runs may work off."""
    traffic = made.traffic(seed=seed, events=events, per_second=1e6)
    writing = asyncio.create_task(traffic.run())
    await traffic.all_written.wait()
    writing.cancel()


async def test_a_worker_is_ready_once_it_reads_and_not_any_more_when_it_is_told_to_stop(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        worker = await Probed.start(made, hang="stop")
        early = await worker.until("/ready", lambda status, _: status == 503)
        assert early["why"][0].startswith(("it has not been given partitions", "it is recovering"))
        assert (await worker.ask("/live"))[0] == 200
        await worker.until("/ready", lambda status, _: status == 200)
        assert worker.process.is_ready()
        worker.process.signal(signal.SIGTERM)
        late = await worker.until("/ready", lambda status, _: status == 503)
        assert late["why"] == ["it is stopping"]
        assert await worker.process.ended(WAIT_SECONDS) == 70, worker.process.last_words()
        assert "stopping took longer than" in worker.process.lines[-1]


async def test_a_worker_that_is_told_to_stop_stores_and_commits_all_that_it_has_said(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        worker = await Probed.start(made)
        await worker.process.until_ready()
        writing = asyncio.create_task(made.traffic(seed=2, events=100_000, per_second=800).run())
        await worker.until("/status", lambda _, body: sum(one["position"] for one in body["partitions"]) > 1500)
        assert await worker.process.stop() == 0
        writing.cancel()
        told = (await cartwheel("status", "--cluster", "--json", environ=made.environ)).data
        decisions = await read(made.kafka, made.topics.decisions)
    said = [max(codec.decode(one.value, Decision).cause.offset for one in records) for records in decisions]
    assert all(last < one["position"] for last, one in zip(said, told["cluster"], strict=True)), (said, told)
    assert [one["committed"] for one in told["cluster"]] == [one["position"] for one in told["cluster"]]


async def test_an_event_loop_that_hangs_turns_liveness_red_and_ends_the_process(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        worker = await Probed.start(made, hang="loop")
        await worker.until("/ready", lambda status, _: status == 200)
        assert (await worker.ask("/live"))[0] == 200
        await _write(made, events=10)
        red = await worker.until("/live", lambda status, _: status == 503)
        assert "the event loop has not moved" in red["why"][0]
        assert await worker.process.ended(WAIT_SECONDS) == 70, worker.process.last_words()
        assert "the event loop has not moved" in worker.process.lines[-1]
        assert any("hanging_worker" in line for line in worker.process.lines), "where it stood"


async def test_a_process_that_was_suspended_did_not_hang(stack: Addresses, home: Path, namespace: str) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        worker = await Probed.start(made, session_seconds=60)
        await worker.until("/ready", lambda status, _: status == 200)
        worker.process.signal(signal.SIGSTOP)
        await _write(made, events=500)
        await asyncio.sleep(2 * STALL_SECONDS)
        worker.process.signal(signal.SIGCONT)
        await made.drained(timers_too=False)
        assert (await worker.ask("/live"))[0] == 200
        assert worker.process.is_running(), worker.process.last_words()


async def test_a_partition_that_stands_still_with_work_to_do_ends_the_process(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        worker = await Probed.start(made, hang="state")
        await worker.until("/ready", lambda status, _: status == 200)
        await _write(made, events=100)
        assert await worker.process.ended(WAIT_SECONDS) == 70, worker.process.last_words()
        assert " has stood at " in worker.process.lines[-1]
        assert "while the broker answers" in worker.process.lines[-1]


@pytest.fixture
async def broken(own_stack: Settings) -> Addresses:
    """A stack of its own, whose broker may be stopped."""
    return await asyncio.to_thread(local_stack.up, own_stack, console=Console(as_json=True))


async def test_a_broker_that_is_away_is_no_hang(broken: Addresses, own_stack: Settings, namespace: str) -> None:
    """Story SILENT-STALL: the broker is gone for three times as long as a partition may stand still, and comes back
    within the session. (After it, whoever had partitions ends: they may be another's by then.)
    """
    async with rig(kafka=broken.kafka, home=own_stack.home, namespace=namespace) as made:
        worker = await Probed.start(made, session_seconds=60)
        await worker.until("/ready", lambda status, _: status == 200)
        (pid,) = (one.pid for one in local_stack.status(own_stack) if one.name == "kafka")
        broker = psutil.Process(pid)
        writing = asyncio.create_task(made.traffic(seed=1, events=20_000, per_second=1e6).run())
        await worker.until("/status", lambda _, body: sum(one["position"] for one in body["partitions"]) > 500)
        broker.suspend()
        try:
            for _ in range(3 * STALL_SECONDS):
                assert await worker.ask("/live") == (200, {"live": True, "why": []})
                assert worker.process.is_running(), worker.process.last_words()
                await asyncio.sleep(1)
        finally:
            broker.resume()
        await made.drained(timers_too=False)
        assert (await worker.ask("/live"))[0] == 200
        writing.cancel()
        assert worker.process.is_running()

        # Told to stop while it is away, with records in flight: it ends by itself all the same, and says what it left.
        writing = asyncio.create_task(made.traffic(seed=2, events=50_000, per_second=2000).run())
        before = (await worker.ask("/status"))[1]["partitions"][0]["position"]
        await worker.until("/status", lambda _, body: body["partitions"][0]["position"] > before + 200)
        broker.suspend()
        try:
            worker.process.signal(signal.SIGTERM)
            assert await worker.process.ended(STOP_SECONDS) == 70, worker.process.last_words()
        finally:
            broker.resume()
            writing.cancel()
        assert "was not written within" in worker.process.lines[-1]


@pytest.mark.parametrize("which", ["profile_log", "progress"])
async def test_a_topic_that_is_read_and_is_removed_ends_the_process(
    stack: Addresses, home: Path, namespace: str, which: str
) -> None:
    """Nothing fails there by itself: the client asks for it again and again."""
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        worker = await Probed.start(made)
        await worker.until("/ready", lambda status, _: status == 200)
        topic = getattr(made.topics, which).name
        await remove(made.kafka, topic)
        assert await worker.process.ended(WAIT_SECONDS) == 78, worker.process.last_words()
        assert f"the broker does not know {topic} any more" in worker.process.lines[-1]


async def test_the_broker_says_where_the_log_ends_and_when_a_record_was_appended(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        await _write(made, events=200)
        log = await read(made.kafka, made.topics.profile_log)
        ends = LogEnds(kafka=made.kafka, topic=made.topics.profile_log.name)
        try:
            assert await ends.ends(range(4)) == {number: len(records) for number, records in enumerate(log)}
            for number, records in enumerate(log):
                assert await ends.appended_at(number, 0) == records[0].timestamp
                assert await ends.appended_at(number, len(records) - 1) == records[-1].timestamp
            assert (await ends.ends([2])) == {2: len(log[2])}
            assert await ends.missing() == []
        finally:
            await ends.close()


async def test_a_broker_that_is_not_there_says_nothing() -> None:
    ends = LogEnds(kafka="127.0.0.1:9", topic="log")
    assert await ends.ends([0]) is None
    assert await ends.appended_at(0, 0) is None
    assert await ends.missing() == []
    await ends.close()


async def _report_of(home: Path, *, position: int) -> WorkerReport:
    """Of the one worker, as soon as it tells of all records up to here: a report is up to a second old."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            (page,) = await asyncio.to_thread(read_pages, local_stack.members(home))
            if page.report is not None and sum(one.position for one in page.report.partitions) >= position:
                return page.report
            await asyncio.sleep(0.2)


async def test_status_and_forecast_tell_what_the_log_and_the_state_hold(
    stack: Addresses, home: Path, namespace: str
) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        worker = await made.worker("one")
        await worker.until_ready()
        # Without marks of intake no timer is released, so what waits goes on waiting.
        await _write(made, events=2000)
        await made.drained(timers_too=False)
        log = await read(made.kafka, made.topics.profile_log)
        states = [record for records in await read(made.kafka, made.topics.profile_state) for record in records]
        last = {record.key: record.value for record in states if record.key[:1] != b"\x00"}
        waiting = sum(len(waits_of(state)) for state in last.values())
        report = await _report_of(home, position=sum(map(len, log)))
        shown = await cartwheel("status", environ=made.environ)
        told = (await cartwheel("status", "--cluster", "--json", environ=made.environ)).data
        forecast = (await cartwheel("timers", "forecast", "--json", environ=made.environ)).data

    assert sum(one.profiles for one in report.partitions) == len(last)
    assert sum(one.timers_pending for one in report.partitions) == waiting > 0
    assert "worker one of" in shown.out
    (reported,) = told["workers"]
    assert (reported["instance"], reported["phase"], reported["why_not_ready"]) == ("one", "working", [])
    assert [one["partition"] for one in reported["partitions"]] == [0, 1, 2, 3]
    assert [one["owner"] for one in told["cluster"]] == ["one"] * 4
    assert all(one["end"] >= len(records) > 0 for one, records in zip(told["cluster"], log, strict=True))
    assert [one["lag_records"] for one in told["cluster"]] == [one["end"] - one["position"] for one in told["cluster"]]
    assert forecast["profiles"] == len(last)
    assert forecast["total"]["all"] == waiting
    assert set(forecast["total"]) == {*WINDOWS, "all"}
    assert set(forecast["flows"]) == {"browse", "checkout"}
