"""A week of clicks through eight flows: without a broker, and through the whole pipeline while the worker is killed.

Both must come to the numbers of the table, and to the same commands.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from agents.kill_points import INTAKE_POINTS, WORKER_POINTS
from agents.settings import Settings
from agents.topic_reader import read_to_end
from schemas import codec
from tests.e2e import kills, weeks
from tests.e2e.pipeline import Pipeline, pipeline
from tests.e2e.processes import cartwheel
from tests.e2e.week_verdict import Outcome, judge
from tests.e2e.weeks import Replayed, Week

SEED = 1
KILLS = 5
ORDERS = ("live", "synced")
#: On a carried clock nobody appends ticks, and no progress is written.
POINTS = tuple(point for point in WORKER_POINTS if point != "tick_produced")
CARRIED_INTAKE_POINTS = INTAKE_POINTS[:2]
SETTLED = "SELECT count(*) FROM commands WHERE receipt_published_at IS NOT NULL"

# -- without a broker


@pytest.mark.parametrize("orders", ORDERS)
async def test_replay_comes_to_the_numbers_of_the_table(week: Week, orders: str, tmp_path: Path) -> None:
    replayed = await _replayed(week, orders, tmp_path)
    assert weeks.rows_of(replayed, week, orders) == week.rows(orders)
    described = week.expected["week"]
    assert replayed.data["events"] == sum(described["events"].values())
    assert (replayed.data["duplicates"], replayed.data["refused"]) == (described["duplicates"], {})


# -- through the whole pipeline


async def _at_random(line: Pipeline, records: int) -> list[str]:
    await line.start("intake")
    return await kills.at_random(line, Random(SEED), kills=KILLS, records=records)


async def _at_random_without_disk(line: Pipeline, records: int) -> list[str]:
    await line.start("intake")
    return await kills.at_random(line, Random(SEED + 1), kills=KILLS, records=records, wiped=True)


async def _at_points(line: Pipeline, _: int) -> list[str]:
    async def intake() -> list[str]:
        died = await kills.at_points(line, "intake", *CARRIED_INTAKE_POINTS, chance=1)
        await line.start("intake")
        return died

    died = await asyncio.gather(kills.at_points(line, "worker", *POINTS), intake())
    return [point for points in died for point in points]


Schedule = Callable[[Pipeline, int], Awaitable[list[str]]]
SCHEDULES: dict[str, Schedule] = {"random": _at_random, "wiped": _at_random_without_disk, "points": _at_points}
#: All of both weeks under each schedule takes long, so `make test` takes these.
SOME = [("random", "any", "live"), ("wiped", "any", "synced"), ("points", "any", "live"), ("random", "small", "synced")]
EVERY = list(itertools.product(SCHEDULES, ("any", "small"), ORDERS))


@pytest.mark.parametrize(("schedule", "which", "orders"), EVERY if os.environ.get("CARTWHEEL_CHAOS") else SOME)
async def test_killing_the_worker_neither_loses_nor_doubles_a_command(
    settings: Settings, database: str, any_week: Week, tmp_path: Path, schedule: str, which: str, orders: str
) -> None:
    week = any_week if which == "any" else weeks.synthetic_week()
    replayed = await _replayed(week, orders, tmp_path)
    flows = weeks.flows_on(orders, tmp_path / "flows")
    async with pipeline(replace(settings, postgres=database), flows=flows, clock="carried") as line:
        await line.start("dispatcher")
        feeding = asyncio.create_task(_feed(line, week.files[orders]))
        died = await SCHEDULES[schedule](line, sum(week.expected["week"]["events"].values()))
        await line.start("worker")
        await feeding
        await _drained(line)
        outcome = await Outcome.of(line)
    faults = judge(outcome, expected=replayed.sent())
    assert faults.counts() == {}, died
    assert weeks.rows_of_decisions(outcome.decisions) == weeks.told_by_decisions(week.rows(orders))


# -- words


async def _replayed(week: Week, orders: str, folder: Path) -> Replayed:
    flows = weeks.flows_on(orders, folder / "flows")
    return await weeks.replay(flows=flows, events=week.files[orders], out=folder / "decisions.ndjson")


async def _feed(line: Pipeline, events: Path) -> None:
    done = await cartwheel("feed", "--events", str(events), "--clock", "carried", "--json", environ=line.environ)
    assert done.code == 0, done
    assert done.data["refused"] == 0


async def _drained(line: Pipeline) -> None:
    """Wait until everything has gone all the way."""
    await line.forwarded()
    await line.processed()
    values = [record.value async for record in read_to_end(line.kafka, line.topics.commands)]
    ordered = {command.command_id for command in codec.commands_of(values)}
    await line.answers(SETTLED, len(ordered))
