"""Every storm leaves nothing missing, wrong, doubled or early. `make chaos` runs all of them, `make test` a few."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from agents.kill_points import WORKER_POINTS
from agents.stack import Addresses
from tests.chaos import storms
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import Shake
from tests.chaos.sizes import SIZE
from tests.chaos.weather import Storm

ROUND = len(WORKER_POINTS)
#: How many times in the short, the quick and the full set; 0: not in that one.
Sizes = tuple[int, int, int]

ON_THE_STACK: dict[str, tuple[Callable[[int], Storm], Sizes]] = {
    "points, disk kept or lost": (lambda n: storms.at_points(n, wipe=0.5), (ROUND, ROUND, 0)),
    "points, disk kept": (lambda n: storms.at_points(n, wipe=0), (0, 0, 4 * ROUND)),
    "points, disk lost": (lambda n: storms.at_points(n, wipe=1), (0, 0, 4 * ROUND)),
    "within a second of ready": (lambda n: storms.after_ready(n, within_seconds=1), (0, 8, 40)),
    "any moment": (lambda n: storms.at_any_moment(n, wipe=0), (0, 6, 40)),
    "any moment, disk lost": (lambda n: storms.at_any_moment(n, wipe=1), (0, 4, 30)),
    "two workers, static": (lambda n: storms.two_workers(n, membership="--static", wipe=0.3), (0, 6, 40)),
    "two workers, dynamic": (lambda n: storms.two_workers(n, membership="--dynamic", wipe=0.3), (0, 6, 40)),
    "zombies": (storms.zombies, (0, 4, 2 * ROUND)),
    "disk full": (storms.disk_full, (1, 3, 10)),
    "disk damaged": (storms.disk_damaged, (0, 4, 16)),
}
ON_ONE_BROKER: dict[str, tuple[Callable[[Cluster, int], Storm], Sizes]] = {
    "broker away for seconds": (lambda one, n: storms.broker_dies(one, n, away_seconds=(0, 4)), (0, 3, 16)),
    "broker away beyond the session": (lambda one, n: storms.broker_dies(one, n, away_seconds=(30, 60)), (0, 0, 4)),
    "broker and worker": (storms.broker_and_worker_die, (0, 2, 10)),
}
ON_THREE_BROKERS: dict[str, tuple[Callable[[Cluster, int], Storm], Sizes]] = {
    "one of three brokers": (lambda three, n: storms.broker_dies(three, n, away_seconds=(0, 8)), (0, 3, 18)),
    "one of three brokers and a worker": (storms.broker_and_worker_die, (0, 3, 12)),
}


def _planned(table: dict[str, tuple[Any, Sizes]]) -> Iterable[str]:
    return [name for name, (_, sizes) in table.items() if sizes[SIZE]]


@pytest.mark.parametrize("name", _planned(ON_THE_STACK))
async def test_storm(stack: Addresses, shake: Shake, name: str) -> None:
    make, sizes = ON_THE_STACK[name]
    await shake(name, make(sizes[SIZE]), kafka=stack.kafka)


@pytest.mark.parametrize("name", _planned(ON_ONE_BROKER))
async def test_storm_over_one_broker(one_broker: Cluster, shake: Shake, name: str) -> None:
    make, sizes = ON_ONE_BROKER[name]
    await shake(name, make(one_broker, sizes[SIZE]), kafka=one_broker.kafka)


@pytest.mark.parametrize("name", _planned(ON_THREE_BROKERS))
async def test_storm_over_three_brokers(three_brokers: Cluster, shake: Shake, name: str) -> None:
    make, sizes = ON_THREE_BROKERS[name]
    await shake(name, make(three_brokers, sizes[SIZE]), kafka=three_brokers.kafka)
