"""The storms. Each does so much harm to workers and brokers under traffic, and leaves workers that are kept alive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import cycle, islice
from signal import SIGCONT, SIGSTOP

from agents.kill_points import WORKER_POINTS
from tests.chaos.cluster import Cluster
from tests.chaos.disk import Disk
from tests.chaos.weather import Kept, Storm, Weather
from tests.integration.engine_rig import SESSION_SECONDS

#: How likely a worker dies each time it comes by; at a point that it passes once in a life it must die at once.
CHANCE = 0.03
ONCE = ("recovery", "rebuild", "seek", "claim_written")
#: How long a worker may take to come by a point.
POINT_SECONDS = 20.0


def at_points(kills: int, *, wipe: float) -> Storm:
    """kill -9 at each named point in turn."""

    async def storm(weather: Weather) -> None:
        points = list(islice(cycle(WORKER_POINTS), kills))
        kept = await weather.keep(armed=_armed(points[0]), wipe=wipe)
        for point, following in zip(points, [*map(_armed, points[1:]), ""], strict=True):
            kept.armed = following
            if not await kept.next_life(POINT_SECONDS):
                weather.died[f"not at {point}"] += 1
                await kept.kill()

    return storm


def after_ready(kills: int, *, within_seconds: float, wipe: float = 0.0) -> Storm:
    """kill -9 soon after READY, when positions and offsets have just been sought."""

    async def storm(weather: Weather) -> None:
        kept = await weather.keep(wipe=wipe)
        for _ in range(kills):
            await kept.until_ready()
            await asyncio.sleep(weather.dice.uniform(0, within_seconds))
            await kept.kill()

    return storm


def at_any_moment(kills: int, *, wipe: float) -> Storm:
    """kill -9 at any moment, also before READY."""

    async def storm(weather: Weather) -> None:
        kept = await weather.keep(wipe=wipe)
        for _ in range(kills):
            if weather.dice.random() < 0.7:
                await kept.until_ready()
            await asyncio.sleep(weather.dice.uniform(0, 4))
            await kept.kill()

    return storm


def two_workers(ends: int, *, membership: str, wipe: float) -> Storm:
    """Two workers, of which one or the other stops or dies every few seconds and comes back at once or a bit later."""

    async def storm(weather: Weather) -> None:
        workers = [await weather.keep(name, membership, wipe=wipe) for name in ("one", "two")]
        for _ in range(ends):
            await asyncio.sleep(weather.dice.uniform(0.5, 6))
            kept = weather.dice.choice(workers)
            kept.away_seconds = weather.dice.choice((0.0, 3.0))
            await (kept.stop() if weather.dice.random() < 0.5 else kept.kill())

    return storm


def zombies(stops: int, *, points: Sequence[str] = WORKER_POINTS) -> Storm:
    """Of two workers one is paused at a named point for longer than the session, while the other one takes over."""

    async def storm(weather: Weather) -> None:
        workers = [await weather.keep(name) for name in ("one", "two")]
        for number, point in enumerate(islice(cycle(points), stops)):
            kept = workers[number % 2]
            kept.armed = f"{_armed(point)}:STOP"
            await (kept.stop() if weather.dice.random() < 0.5 else kept.kill())
            zombie = kept.process
            where = await _paused(weather, kept, point)
            await asyncio.sleep(weather.dice.uniform(1, 2) * SESSION_SECONDS)
            zombie.signal(SIGCONT)
            # Long enough to do harm if it can, or to find out and end.
            lived_on = await zombie.ended(weather.dice.uniform(1, 5)) is None
            weather.died[f"paused {where}, {'lived on' if lived_on else 'ended'}"] += 1

    return storm


async def _paused(weather: Weather, kept: Kept, point: str) -> str:
    """Wait until it has stopped itself at its point; where it does not come by, stop it anywhere."""
    try:
        async with asyncio.timeout(POINT_SECONDS):
            while not kept.process.killed_at:
                await asyncio.sleep(0.05)
    except TimeoutError:
        kept.process.signal(SIGSTOP)
        return f"not at {point} but anywhere"
    return f"at {point}"


def broker_dies(cluster: Cluster, times: int, *, away_seconds: Sequence[float]) -> Storm:
    """kill -9 of one broker after another, each back after a while."""

    async def storm(weather: Weather) -> None:
        kept = await weather.keep()
        await kept.until_ready()
        for broker, away in zip(islice(cycle(cluster.brokers), times), cycle(away_seconds), strict=False):
            await asyncio.sleep(weather.dice.uniform(1, 4))
            await broker.end()
            weather.died["broker killed"] += 1
            await asyncio.sleep(weather.dice.uniform(away / 2, away))
            await broker.restart()

    return storm


def broker_and_worker_die(cluster: Cluster, times: int) -> Storm:
    """One broker after another, and a worker with each: the two recoveries meet."""

    async def storm(weather: Weather) -> None:
        workers = [await weather.keep(name) for name in ("one", "two")]
        for broker in islice(cycle(cluster.brokers), times):
            await asyncio.sleep(weather.dice.uniform(1, 4))
            await broker.end()
            weather.died["broker killed"] += 1
            await asyncio.sleep(weather.dice.uniform(0, 2))
            await weather.dice.choice(workers).kill()
            await broker.restart()

    return storm


def broker_hangs(cluster: Cluster, seconds: Sequence[float]) -> Storm:
    """A broker stands still, its connections stay open, and nobody is told."""

    async def storm(weather: Weather) -> None:
        kept = await weather.keep()
        await kept.until_ready()
        for broker, away in zip(cycle(cluster.brokers), seconds, strict=False):
            await asyncio.sleep(weather.dice.uniform(1, 4))
            broker.signal(SIGSTOP)
            await asyncio.sleep(away)
            broker.signal(SIGCONT)
            weather.died["broker hung"] += 1

    return storm


def coordinator_moves(cluster: Cluster, times: int) -> Storm:
    """The broker that coordinates the group dies, and comes back when another one does."""

    async def storm(weather: Weather) -> None:
        workers = [await weather.keep(name) for name in ("one", "two")]
        for _ in range(times):
            await asyncio.gather(*(kept.until_ready() for kept in workers))
            broker = await cluster.coordinator(f"{weather.rig.namespace}.worker")
            await broker.end()
            weather.died["broker killed"] += 1
            await asyncio.sleep(weather.dice.uniform(8, 12))
            await broker.restart()

    return storm


def disk_full(times: int) -> Storm:
    """No file can grow any more; after the worker has ended there is room again."""

    async def storm(weather: Weather) -> None:
        kept = await weather.keep()
        for _ in range(times):
            await kept.until_ready()
            await asyncio.sleep(weather.dice.uniform(0, 2))
            Disk(weather.rig, "one").fill(kept.process.pid)
            assert await kept.next_life(POINT_SECONDS), "a full disk went unnoticed"
            weather.died["disk full"] += 1
            assert any("error: " in line for line in kept.ended_last.lines), kept.ended_last.last_words()

    return storm


def disk_damaged(times: int) -> Storm:
    """Bytes of the local store are overwritten between two lives."""

    async def storm(weather: Weather) -> None:
        disk = Disk(weather.rig, "one")
        kept = await weather.keep()
        for kind in islice(cycle(disk.KINDS), times):
            await kept.until_ready()
            await asyncio.sleep(weather.dice.uniform(1, 3))
            kept.between = partial(_damage, disk, kind, weather)
            await kept.kill()
            kept.between = lambda: None

    return storm


def _damage(disk: Disk, kind: str, weather: Weather) -> None:
    weather.died[disk.damage(kind, weather.dice)] += 1


def _armed(point: str) -> str:
    return f"{point}:{1 if point in ONCE else CHANCE}"
