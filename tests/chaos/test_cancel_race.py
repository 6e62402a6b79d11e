"""CANCEL-RACE on a real broker: a worker that was away while somebody bought does not remind them.

Elsewhere reminders went out after the order (Tyche abandoned-cart #166 and #874; mc-magento #403; mc-magento2 #431).
A minute takes a sixth of a second here: a checkout at 0, the order up to minute 42, the reminder due at 60, the worker
back at 66 or later. Intake may be away as well, so that the order is still in the raw topic when it is. What an
order does on either side of the very tick that releases a reminder is told in `tests/simulation/test_cancel_race.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

from agents.settings import Settings
from tests.chaos.sizes import of_size
from tests.data.lines import ORDER_PLACED
from tests.e2e.live_verdict import Recorded, judge
from tests.e2e.loader import CHECKOUT, VIEW, Loader, event, loading, now_ms
from tests.e2e.pipeline import Pipeline, pipeline
from tests.e2e.processes import Process
from tests.oracle.flowfile import load_flow
from tests.simulation.test_cancel_race import FLOW as SHORT_FLOW

#: For each interleaving, how many events of others the worker has to catch up with.
LAGS: tuple[int, ...] = of_size((2_000,), (0, 0, 100_000), (0,) * 10 + (100_000,) * 4)
COUPLES = 10  # of one who buys and one who does not
FLOW = SHORT_FLOW.replace("for: 6s", "for: 10s")
ORDER_MS_MAX, DUE_MS, BACK_MS = 7_000, 10_000, 11_000  # before it is due, a busy machine has time to append the order


async def test_cancel_race(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "reminder.yaml").write_text(FLOW)
    async with pipeline(settings, flows=tmp_path, clock="live") as line:
        async with loading(line.kafka, line.topics, seed=1, sessions_per_second=0, syncs=False) as loader:
            race = Race(line, loader)
            await race.begin()
            for number, lag in enumerate(LAGS):
                await race.run(number, lag=lag)
        recorded = await Recorded.of(line)
    verdict = judge(recorded, [load_flow(FLOW)])
    print(verdict, *race.courses, sep="\n")
    assert verdict.faults() == {}
    reminded = sorted(command.variables["trigger"]["checkout_id"] for command in recorded.commands)
    assert reminded == sorted(who for number in range(len(LAGS)) for who in _people("other", number))
    assert verdict.kept_back == len(LAGS) * COUPLES


class Race:
    """Worker and intake, which go away and come back around those who check out. `courses` says how, each time."""

    def __init__(self, line: Pipeline, loader: Loader) -> None:
        self._line, self._loader = line, loader
        self._dice = Random(10)  # which begins with the hardest: both away, the worker since before the checkouts
        self._worker: Process
        self._intake: Process
        self.courses: list[str] = []

    async def begin(self) -> None:
        """Start both."""
        self._intake = await self._line.start("intake")
        await self._come_back()
        await asyncio.gather(self._intake.until_ready(), self._worker.until_ready())

    async def run(self, number: int, *, lag: int) -> None:
        """One interleaving, until everything is worked off."""
        dice = self._dice
        buyers, others = _people("buyer", number), _people("other", number)
        seen = dice.random() < 0.5  # the checkouts, by the worker before it goes
        intake_away = dice.random() < 0.6
        order_at = dice.choice((ORDER_MS_MAX, dice.randrange(ORDER_MS_MAX)))
        back_at = BACK_MS + dice.choice((0, dice.randrange(2_000)))
        self.courses.append(f"{lag=} {seen=} {intake_away=} {order_at=} {back_at=}")

        if not seen:
            await self._go_away()
            await self._browse(number, lag)
        began = now_ms()
        await self._loader.send(*(self._event(CHECKOUT, who) for who in (*buyers, *others)))
        await self._line.forwarded()
        if seen:
            await self._line.processed()
            await self._go_away()
        if intake_away:
            await self._intake.stop()
        await _until(began + order_at)
        await self._loader.send(*(self._event(ORDER_PLACED, who) for who in buyers))
        assert now_ms() < began + DUE_MS, "the order is too late for what is tested here"
        if seen:
            await self._browse(number, lag)
        await _until(began + back_at)
        await self._come_back()
        if intake_away:
            await self._worker.until_ready()
            await asyncio.sleep(dice.uniform(0, 3))  # in which nothing may be released
            self._intake = await self._line.start("intake")
        await self._line.forwarded()
        await self._line.processed()
        await self._line.until(lambda: self._line.tail.pending() == 0, "the last timer to be released")

    async def _go_away(self) -> None:
        await (self._worker.kill() if self._dice.random() < 0.5 else self._worker.stop())

    async def _come_back(self) -> None:
        self._worker = await self._line.start("worker")

    async def _browse(self, number: int, lag: int) -> None:
        views = (event(VIEW, f"guest-{one % 500}", at=now_ms(), dedupe_key=f"{number}:{one}") for one in range(lag))
        await self._loader.send(*views)

    def _event(self, kind: str, who: str) -> dict[str, object]:
        return event(kind, who, at=now_ms(), dedupe_key=f"{kind} {who}", properties={"checkout_id": who})


def _people(side: str, number: int) -> list[str]:
    return [f"{side}-{number}-{one}" for one in range(COUPLES)]


async def _until(at: int) -> None:
    await asyncio.sleep(max(0, at - now_ms()) / 1_000)
