"""Failures that others have had with Faust, each under the name it has in the list of stories.

CANCEL-RACE and RECOVER have files of their own, POISON is with the dead letters. That a process which hangs
turns red is in `tests/integration/test_worker_health.py`.
"""

from __future__ import annotations

from pathlib import Path

from agents.stack import Addresses
from tests.chaos import storms
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import Report, Shake
from tests.chaos.ledger import dispatching
from tests.chaos.sizes import in_make_chaos, of_size
from tests.chaos.weather import storm_over
from tests.integration.engine_log import committed
from tests.integration.engine_rig import rig


@in_make_chaos
async def test_gap(stack: Addresses, home: Path, namespace: str, report: Report) -> None:
    """Faust skipped offsets after a recovery, and commits stood still (faust #312, #596, #606, #681).

    Killed within three seconds of READY, again and again, at a high rate: every input is in the output, and what is
    committed has reached the end.
    """
    kills, per_second = of_size((0, 0.0), (8, 2_000.0), (40, 2_000.0))
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        storm = storms.after_ready(kills, within_seconds=3)
        outcome = await storm_over(made, storm, seed=1, per_second=per_second, profiles=5_000)
        behind = [end - at for end, at in zip(await made.ends(), await committed(made), strict=True)]
        report("GAP", outcome)
    assert max(behind) <= 0, "records that are processed and not committed"


async def test_silent_stall(one_broker: Cluster, shake: Shake) -> None:
    """A consumer went silent after a broker restart or a lost heartbeat, without an error (faust #175, #523, #629).

    The broker stands still, for less and for more than a session: events flow again, or the process ends and its
    successor goes on.
    """
    storm = storms.broker_hangs(one_broker, of_size((8.0,), (8.0, 20.0), (2.0, 8.0, 20.0, 30.0)))
    await shake("SILENT-STALL, broker stands still", storm, kafka=one_broker.kafka, per_second=200)


@in_make_chaos
async def test_silent_stall_when_all_brokers_are_away(one_broker: Cluster, shake: Shake) -> None:
    """As above."""
    away: tuple[float, ...] = of_size((), (2, 15), (2, 8, 20, 45, 90))
    storm = storms.broker_dies(one_broker, len(away), away_seconds=away)
    await shake("SILENT-STALL, all brokers away", storm, kafka=one_broker.kafka, per_second=200)


@in_make_chaos
async def test_silent_stall_when_the_coordinator_moves(three_brokers: Cluster, shake: Shake) -> None:
    """As above, with two workers."""
    storm = storms.coordinator_moves(three_brokers, of_size(0, 2, 6))
    await shake("SILENT-STALL, coordinator moves", storm, kafka=three_brokers.kafka, per_second=200)


async def test_storm(stack: Addresses, database: str, home: Path, namespace: str, report: Report) -> None:
    """A rebalance fenced, crashed or doubled (faust #323, #517; aiokafka #1134, #1151).

    Workers join and leave under load with a dispatcher beside them: each command is dispatched once, and nobody has to
    help. There is no switch for Faust's `exactly_once` that a check would have to refuse: the engine sets what it
    needs, and nothing of it can be configured.
    """
    async with (
        rig(kafka=stack.kafka, home=home, namespace=namespace) as made,
        dispatching(made, dsn=database) as ledger,
    ):
        storm = storms.two_workers(of_size(3, 6, 40), membership="--dynamic", wipe=0.2)
        outcome = await storm_over(made, storm, seed=5, per_second=200)
        doubled = await ledger.faults()
        report("STORM", outcome)
    assert doubled == {}
    assert [how for how in outcome.died if "by itself" in how] == []
