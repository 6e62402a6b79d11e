"""Workers die, stop and come back under traffic on a real broker; afterwards nothing is missing, wrong or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.kill_points import WORKER_POINTS
from agents.stack import Addresses
from tests.integration.engine_campaign import campaign
from tests.integration.engine_rig import rig


@pytest.mark.parametrize("wipe", [0.0, 1.0], ids=["disk kept", "disk lost"])
async def test_a_worker_killed_at_each_named_point(stack: Addresses, home: Path, namespace: str, wipe: float) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        died, verdict = await campaign(made, "points", seed=1, kills=len(WORKER_POINTS), wipe=wipe, per_second=300)
    assert verdict.faults() == {}
    assert verdict.commands > 0
    # Without a disk to begin from, nothing but the changelog is there; with one, there may be nothing left to read.
    missed = {point for point in WORKER_POINTS if died[point] == 0}
    assert missed <= ({"recovery"} if wipe == 0 else set())


async def test_a_worker_killed_at_any_moment(stack: Addresses, home: Path, namespace: str) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        _, verdict = await campaign(made, "random", seed=2, kills=5, wipe=0.5, per_second=300)
    assert verdict.faults() == {}
    assert verdict.commands > 0


@pytest.mark.parametrize("membership", ["static", "dynamic"])
async def test_two_workers_come_and_go(stack: Addresses, home: Path, namespace: str, membership: str) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        died, verdict = await campaign(made, membership, seed=3, kills=4, wipe=0.3, per_second=300)
    assert verdict.faults() == {}
    assert verdict.commands > 0
    assert not [what for what in died if "by itself" in what], died
