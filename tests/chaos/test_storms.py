"""Every storm leaves nothing missing, wrong, doubled or early. `make chaos` runs all of them, `make test` a few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.kill_points import WORKER_POINTS
from agents.stack import Addresses
from tests.chaos import storms
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import Report
from tests.chaos.sizes import SIZE
from tests.chaos.weather import Storm, storm_over
from tests.integration.engine_rig import rig

ROUND = len(WORKER_POINTS)
PER_SECOND = 300.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A storm and how long it lasts in the short, the quick and the full set; 0: not in that one."""

    name: str
    make: Callable[[int], Storm]
    sizes: tuple[int, int, int]
    per_second: float = PER_SECOND


ON_THE_STACK = (
    Planned("points, disk kept or lost", lambda n: storms.at_points(n, wipe=0.5), (ROUND, ROUND, 0)),
    Planned("points, disk kept", lambda n: storms.at_points(n, wipe=0), (0, 0, 4 * ROUND)),
    Planned("points, disk lost", lambda n: storms.at_points(n, wipe=1), (0, 0, 4 * ROUND)),
    Planned("within a second of ready", lambda n: storms.after_ready(n, within_seconds=1), (0, 8, 40)),
    Planned("any moment", lambda n: storms.at_any_moment(n, wipe=0), (0, 6, 40)),
    Planned("any moment, disk lost", lambda n: storms.at_any_moment(n, wipe=1), (0, 4, 30)),
    Planned(
        "two workers, static", lambda n: storms.two_workers(n, membership="--static", wipe=0.3), (0, 6, 40)
    ),
    Planned(
        "two workers, dynamic", lambda n: storms.two_workers(n, membership="--dynamic", wipe=0.3), (0, 6, 40)
    ),
    Planned("zombies", storms.zombies, (0, 4, 2 * ROUND)),
    Planned("disk full", storms.disk_full, (1, 3, 10)),
    Planned("disk damaged", storms.disk_damaged, (0, 4, 16)),
)  # fmt: skip

Brokers = Callable[[Cluster, int], Storm]
ON_ONE_BROKER: dict[str, tuple[Brokers, tuple[int, int, int]]] = {
    "broker away for seconds": (lambda one, n: storms.broker_dies(one, n, away_seconds=(0, 4)), (0, 3, 16)),
    "broker away beyond the session": (lambda one, n: storms.broker_dies(one, n, away_seconds=(30, 60)), (0, 0, 4)),
    "broker and worker": (storms.broker_and_worker_die, (0, 2, 10)),
}
ON_THREE_BROKERS: dict[str, tuple[Brokers, tuple[int, int, int]]] = {
    "one of three brokers after another": (
        lambda three, n: storms.broker_dies(three, n, away_seconds=(0, 8)),
        (0, 3, 18),
    ),
    "one of three brokers and a worker": (storms.broker_and_worker_die, (0, 3, 12)),
}


@pytest.mark.parametrize("planned", [one for one in ON_THE_STACK if one.sizes[SIZE]], ids=lambda one: one.name)
async def test_storm(stack: Addresses, home: Path, namespace: str, report: Report, planned: Planned) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:
        outcome = await storm_over(made, planned.make(planned.sizes[SIZE]), seed=SIZE, per_second=planned.per_second)
    report(planned.name, outcome)
    assert outcome.verdict.faults() == {}
    assert outcome.verdict.commands > 0


@pytest.mark.parametrize("name", [name for name, (_, sizes) in ON_ONE_BROKER.items() if sizes[SIZE]])
async def test_storm_over_one_broker(
    one_broker: Cluster, home: Path, namespace: str, report: Report, name: str
) -> None:
    await _storm_over_brokers(
        one_broker, *ON_ONE_BROKER[name], home=home, namespace=namespace, report=report, name=name
    )


@pytest.mark.parametrize("name", [name for name, (_, sizes) in ON_THREE_BROKERS.items() if sizes[SIZE]])
async def test_storm_over_three_brokers(
    three_brokers: Cluster, home: Path, namespace: str, report: Report, name: str
) -> None:
    await _storm_over_brokers(
        three_brokers, *ON_THREE_BROKERS[name], home=home, namespace=namespace, report=report, name=name
    )


async def _storm_over_brokers(
    brokers: Cluster,
    make: Brokers,
    sizes: tuple[int, int, int],
    *,
    home: Path,
    namespace: str,
    report: Report,
    name: str,
) -> None:
    async with rig(kafka=brokers.kafka, home=home, namespace=namespace) as made:
        outcome = await storm_over(made, make(brokers, sizes[SIZE]), seed=SIZE, per_second=PER_SECOND)
    report(name, outcome)
    assert outcome.verdict.faults() == {}
    assert outcome.verdict.commands > 0
