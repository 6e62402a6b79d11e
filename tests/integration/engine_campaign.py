"""Long kill campaigns against a broker of your own: `python -m tests.integration.engine_campaign SCENARIO ...`.

The tests run the same scenarios, shorter. Each prints one line: what was done, and the verdict.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from agents.kill_points import WORKER_POINTS
from tests.integration.engine_rig import Rig, rig
from tests.integration.engine_verdict import Verdict
from tests.integration.engine_worker import WorkerProcess

#: How likely each time; a point that is reached once in a life must strike at once.
CHANCES = {"recovery": 0.3, "rebuild": 1.0, "seek": 1.0}


async def at_points(
    made: Rig, dice: random.Random, *, points: Sequence[str], kills: int, wipe: float, chance: float = 0.03
) -> Counter[str]:
    """Kill one worker at named points in turn; `wipe` is how likely its disk goes with it. Returns where it died."""
    died: Counter[str] = Counter()
    for number in range(kills):
        point = points[number % len(points)]
        process = await made.worker(kill=f"{point}:{CHANCES.get(point, chance)}")
        code = await process.ended(20)
        died[process.killed_at or f"not at {point} ({code})"] += 1
        await process.kill()
        if dice.random() < wipe:
            made.wipe()
    return died


async def at_random(
    made: Rig, dice: random.Random, *, kills: int, wipe: float, up_to_seconds: float = 3
) -> Counter[str]:
    """Kill one worker at any moment from READY on, and sometimes before."""
    died: Counter[str] = Counter()
    for _ in range(kills):
        process = await made.worker()
        if dice.random() < 0.8:
            await process.until_ready()
        await asyncio.sleep(dice.uniform(0, up_to_seconds))
        died["killed" if process.ready.is_set() else "killed before ready"] += 1
        await process.kill()
        if dice.random() < wipe:
            made.wipe()
    return died


async def two_workers(
    made: Rig, dice: random.Random, *, kills: int, wipe: float, options: Sequence[str]
) -> Counter[str]:
    """Two workers, of which one or the other stops or dies and comes back."""
    died: Counter[str] = Counter()
    workers: dict[str, WorkerProcess] = {name: await made.worker(name, *options) for name in ("one", "two")}
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.5, 6))
        name = dice.choice(("one", "two"))
        code = await workers[name].ended(0)
        if code is not None:
            died[f"ended by itself: {code}: {workers[name].lines[-1]}"] += 1
        elif dice.random() < 0.5:
            code = await workers[name].stop()
            died[f"stopped: {code} {workers[name].lines[-1] if code == 70 else ''}"] += 1
        else:
            await workers[name].kill()
            died["killed"] += 1
        if dice.random() < wipe:
            made.wipe(name)
        workers[name] = await made.worker(name, *options)
    for name, process in workers.items():
        code = await process.ended(0)
        if code is not None:
            died[f"ended by itself: {code}: {process.lines[-1]}"] += 1
            workers[name] = await made.worker(name, *options)
    return died


async def campaign(
    made: Rig, scenario: str, *, seed: int, kills: int, wipe: float, per_second: float
) -> tuple[Counter[str], Verdict]:
    """Run a scenario under traffic, let what is alive in the end drain everything, and judge."""
    dice = random.Random(seed)
    traffic = made.traffic(seed=seed, events=1_000_000, per_second=per_second)
    writing = asyncio.create_task(traffic.run())
    if scenario == "points":
        died = await at_points(made, dice, points=WORKER_POINTS, kills=kills, wipe=wipe)
    elif scenario == "random":
        died = await at_random(made, dice, kills=kills, wipe=wipe)
    else:
        died = await two_workers(made, dice, kills=kills, wipe=wipe, options=[f"--{scenario}"])
    traffic.enough()
    if scenario in ("points", "random"):
        await made.worker()
    await made.drained()
    writing.cancel()
    for process in made.workers:
        await process.stop()
    return died, await made.judge()


@click.command()
@click.argument("scenario", type=click.Choice(["points", "random", "static", "dynamic"]))
@click.option("--kafka", required=True)
@click.option("--kills", default=18, show_default=True)
@click.option("--wipe", default=0.5, show_default=True, help="How likely the local disk goes with the worker.")
@click.option("--per-second", default=400.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
def command(scenario: str, kafka: str, kills: int, wipe: float, per_second: float, seed: int) -> None:
    """Kill workers for a while and print the verdict; exit code 1 if there is a fault in it."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    async def work() -> bool:
        with tempfile.TemporaryDirectory(prefix="cartwheel-campaign-") as home:
            namespace = f"campaign-{uuid.uuid4().hex[:8]}"
            async with rig(kafka=kafka, home=Path(home), namespace=namespace) as made:
                began = time.monotonic()
                died, verdict = await campaign(made, scenario, seed=seed, kills=kills, wipe=wipe, per_second=per_second)
                seconds = time.monotonic() - began
                print(f"{scenario} seed={seed} wipe={wipe} {seconds:.0f} s {dict(died)} {verdict}", flush=True)
                for process in made.workers:
                    if any("error" in line.lower() for line in process.lines) and verdict.faults():
                        print("\n".join(process.lines[-5:]))
                print("FAULTS", verdict.faults(), namespace)
                return bool(verdict.faults())

    sys.exit(asyncio.run(work()))


if __name__ == "__main__":
    command()
