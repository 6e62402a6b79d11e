"""RECOVER: whatever shape a changelog is in, a worker becomes ready or says what is wrong, and never just waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGCONT

import pytest

from agents.stack import Addresses
from tests.chaos import changelogs
from tests.chaos.sizes import in_make_chaos, of_size
from tests.e2e.processes import Process
from tests.e2e.state_tail import following
from tests.integration.engine_rig import Rig, rig

ROOT = Path(__file__).parents[2]
MANY_PROFILES = of_size(20_000, 100_000, 1_000_000)
REFUSED_SECONDS = 60.0


@pytest.fixture
async def made(stack: Addresses, home: Path, namespace: str) -> AsyncIterator[Rig]:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as one:
        yield one


async def test_recover_empty(made: Rig) -> None:
    traffic = made.traffic(seed=1, events=500, per_second=1e6)
    writing = asyncio.create_task(traffic.run())
    await traffic.all_written.wait()
    await (await made.worker()).until_ready()
    await made.drained()
    writing.cancel()
    assert await made.workers[-1].stop() == 0
    assert (await made.judge()).faults() == {}


async def test_recover_truncated(made: Rig) -> None:
    await _lived(made)
    await changelogs.cut(made, made.topics.profile_state, share=0.5)
    await _ready_and_stopped(made)  # its own disk has what is gone from the changelog
    made.wipe()
    await _refused(await made.worker(), code=70, runbook="changelog-truncated")


@in_make_chaos
async def test_recover_emptied(made: Rig) -> None:
    await _lived(made)
    await changelogs.cut(made, made.topics.profile_state, share=1)
    await _ready_and_stopped(made)
    made.wipe()
    await _refused(await made.worker(), code=70, runbook="changelog-truncated")


async def test_recover_deleted_meanwhile(made: Rig) -> None:
    await changelogs.fill(made, profiles=40_000, filler_bytes=250)
    worker = await made.worker(kill="recovery:1:STOP")
    async with asyncio.timeout(REFUSED_SECONDS):
        while not worker.killed_at:
            await asyncio.sleep(0.05)
    await changelogs.cut(made, made.topics.profile_state, share=1)
    worker.signal(SIGCONT)
    await _refused(worker, code=70, runbook="changelog-truncated")
    await _refused(await made.worker(), code=70, runbook="changelog-truncated")


async def test_recover_beyond_the_end(made: Rig) -> None:
    await _lived(made)
    await changelogs.replace(made, made.topics.profile_state)
    await _refused(await made.worker(), code=70, runbook="changelog-behind")
    worker = await made.worker()
    await worker.until_ready()
    traffic = made.traffic(seed=2, events=100, per_second=1e6)
    writing = asyncio.create_task(traffic.run())
    await traffic.all_written.wait()
    async with following(made.kafka, made.topics.profile_state) as made.tail:  # of the new topic
        await made.drained()
    writing.cancel()
    assert await worker.stop() == 0
    assert (await made.judge()).faults() == {}, "made anew from the log, under the same ids"


async def test_recover_foreign_version(made: Rig) -> None:
    await _lived(made)
    await changelogs.put(made, made.topics.profile_state, 0, b"shop/p00000", b"\xff" + bytes(40))
    await _refused(await made.worker(), code=78, runbook="state-version")
    made.wipe()
    await _refused(await made.worker(), code=78, runbook="state-version")


@in_make_chaos
async def test_recover_many_keys(made: Rig) -> None:
    await changelogs.fill(made, profiles=MANY_PROFILES, filler_bytes=300)
    began = time.monotonic()
    await _ready_and_stopped(made)
    print(
        f"\n{MANY_PROFILES} profiles: ready {time.monotonic() - began:.1f} s after the start, and stopped", flush=True
    )


async def _lived(made: Rig) -> None:
    """A worker was here, has done something, and has been stopped."""
    worker = await made.worker()
    await worker.until_ready()
    traffic = made.traffic(seed=3, events=500, per_second=1e6)
    writing = asyncio.create_task(traffic.run())
    await traffic.all_written.wait()
    await made.drained(timers_too=False)
    writing.cancel()
    assert await worker.stop() == 0


async def _ready_and_stopped(made: Rig) -> None:
    worker = await made.worker()
    await worker.until_ready()
    assert await worker.stop() == 0


async def _refused(worker: Process, *, code: int, runbook: str) -> None:
    """It ended by itself, and named a runbook that there is."""
    assert await worker.ended(REFUSED_SECONDS) == code, worker.last_words()
    name = f"deploy/runbooks/{runbook}.md"
    assert name in worker.lines[-1], worker.last_words()
    assert (ROOT / name).exists()
