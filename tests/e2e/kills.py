"""Kills processes of a pipeline again and again while records flow. Every function leaves no worker running."""

from __future__ import annotations

import asyncio
from random import Random

from tests.e2e.pipeline import Pipeline

#: Reached once in a life, so that the process must die there at once; elsewhere it dies with this chance.
ONCE = ("recovery", "rebuild", "seek", "claim_written")
#: Reached once per window, so that a log which is worked off in one must be killed there at once as well.
PER_WINDOW = ("between_state_batches", "state_acknowledged", "local_store_written")
CHANCE = 0.5
#: How likely a worker is killed while it still starts, and how soon.
EARLY = 0.15
EARLY_SECONDS_MAX = 3.0
LIFE_SECONDS_MAX = 0.3


async def at_random(line: Pipeline, dice: Random, *, kills: int, records: int, wiped: bool = False) -> list[str]:
    """The worker, at random places of a log of so many records; `wiped`: its disk goes with it each time."""
    died = []
    for place in sorted(int(dice.random() * records) for _ in range(kills)):
        worker = await line.start("worker")
        if dice.random() < EARLY:
            await asyncio.sleep(dice.uniform(0, EARLY_SECONDS_MAX))
        else:
            await _worked(line, to=min(records, max(place, line.tail.processed() + 1)))
            await asyncio.sleep(dice.uniform(0, LIFE_SECONDS_MAX))
        assert worker.is_running(), worker.last_words()
        await worker.kill()
        died.append(f"at {line.tail.processed()} of {records}")
        if wiped:
            line.wipe()
    return died


async def at_points(line: Pipeline, name: str, *points: str, chance: float = CHANCE, in_window: float = 1) -> list[str]:
    """Intake or worker, at each of some named points. Fails if it does not come by."""
    for point in points:
        if point == "recovery":
            line.wipe()  # or there is little to recover
        likely = 1 if point in ONCE else in_window if point in PER_WINDOW else chance
        process = await line.start(name, kill=f"{point}:{likely}")
        await process.ended()
        assert process.killed_at == point, f"not killed at {point}\n{process.last_words()}"
    return list(points)


async def _worked(line: Pipeline, *, to: int) -> None:
    await line.until(lambda: line.tail.processed() >= to, f"{to} records to be processed")
