"""A shop that is open now, through the whole pipeline, while worker and intake are killed at every named point.

Afterwards the oracle recomputes the commands from the recorded log.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

from agents.kill_points import INTAKE_POINTS, WORKER_POINTS
from agents.settings import Settings
from agents.topic_reader import read_to_end
from schemas import codec
from schemas.dead_letter import DeadLetter
from tests.data.lines import ORDER_PLACED
from tests.e2e import kills, live_flows
from tests.e2e.live_verdict import Recorded, judge
from tests.e2e.loader import Loader, loading
from tests.e2e.pipeline import Pipeline, pipeline
from tests.e2e.processes import PATIENCE_SECONDS, Process
from tests.integration import engine_verdict

SEED = 1
ROUNDS = int(os.environ.get("CARTWHEEL_CHAOS") or 1)
#: A worker comes by many times a second, intake some times.
CHANCES = {"worker": 0.05, "intake": 0.1}
PAUSED_SECONDS = (2.0, 8.0)  # within intake's session with the group, and beyond it
SESSIONS_PER_SECOND = 12.0


async def test_killing_worker_and_intake_at_every_point_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    flows = live_flows.write(tmp_path / "flows")
    async with pipeline(settings, flows=flows, clock="live") as line:
        async with loading(line.kafka, line.topics, seed=SEED, sessions_per_second=SESSIONS_PER_SECOND) as loader:
            for turn in range(ROUNDS):
                _, intake = await asyncio.gather(_kill_workers(line, turn), _disturb_intake(line))
                await intake.kill()
            await line.start("worker")
            await line.start("intake")
            await _drained(line, loader)
        recorded = await Recorded.of(line)
        letters = [record async for record in read_to_end(line.kafka, line.topics.dead_letters)]
        states = await _judge_states(line)
    verdict = judge(recorded, live_flows.oracle())
    print(verdict, states)
    assert verdict.faults() == {}
    assert states.faults() == {}
    assert min(verdict.commands, verdict.kept_back) > 100, "too little happened to tell anything"
    refused = [one for one in letters if codec.decode(one.value or b"", DeadLetter).reason != "conflict"]
    assert len({(letter.key, letter.value) for letter in refused}) == loader.broken
    assert len(letters) > len(refused), "copies of one order differ"
    assert judge(_without_orders(recorded), live_flows.oracle()).missing > 0, "the verdict sees nothing"


def _without_orders(recorded: Recorded) -> Recorded:
    return replace(recorded, log=[record for record in recorded.log if ORDER_PLACED.encode() not in record.value])


async def _kill_workers(line: Pipeline, turn: int) -> None:
    """At every point in turn, half of them without the disk afterwards, the other half in the next round."""
    for number, point in enumerate(WORKER_POINTS):
        await kills.at_points(line, "worker", point, chance=CHANCES["worker"], in_window=CHANCES["worker"])
        if (number + turn) % 2:
            line.wipe()


async def _disturb_intake(line: Pipeline) -> Process:
    """Killed at every point, then paused for a while. Goes on at the end: a worker without marks makes no tick."""
    await kills.at_points(line, "intake", *INTAKE_POINTS, chance=CHANCES["intake"])
    intake = await line.start("intake")
    await intake.until_ready()
    for seconds in PAUSED_SECONDS:
        intake.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        intake.signal(signal.SIGCONT)
        await _goes_on(line)
    return intake


async def _goes_on(line: Pipeline) -> None:
    """Wait until the profile log grows by more than a worker would add to it."""
    begun = sum(await line.ends(line.topics.profile_log))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while sum(await line.ends(line.topics.profile_log)) < begun + 100:
            await asyncio.sleep(0.1)


async def _drained(line: Pipeline, loader: Loader) -> None:
    """Close the shop and wait until everything is forwarded and processed and no timer is pending."""
    loader.close()
    await line.until(loader.is_done, "all to be written")
    await loader.send()
    await line.forwarded()
    await line.processed()
    await line.until(lambda: line.tail.pending() == 0, "the last timer to be released")


async def _judge_states(line: Pipeline) -> engine_verdict.Verdict:
    """The states at the end beside those of the core, which is fed the recorded log in one life."""
    return await engine_verdict.judge(
        kafka=line.kafka,
        topics=line.topics,
        oracle=live_flows.oracle(),
        incarnation=line.identity.incarnation,
    )
