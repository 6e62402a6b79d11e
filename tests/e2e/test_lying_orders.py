"""Orders that lie in the raw topic while intake does not run: no reminder may overtake them, however late it gets."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agents.settings import Settings
from agents.topic_reader import read_to_end
from schemas import codec
from schemas.control import Progress
from schemas.decision import Decision
from schemas.instants import from_wire
from tests.data.lines import ORDER_PLACED
from tests.e2e import live_flows
from tests.e2e.live_verdict import Recorded, Verdict, judge
from tests.e2e.loader import CHECKOUT, Loader, event, loading, now_ms
from tests.e2e.pipeline import Pipeline, pipeline
from tests.e2e.processes import PATIENCE_SECONDS, Process

VISITORS = [f"v{number}" for number in range(40)]
LAST_DUE_MS = max(live_flows.WAITS_MS) + 500
LOOKS_SECONDS = 1.0  # a worker looks twenty times a second at what is due
FILLER = 9_000  # bytes; a fetch holds some hundred such records
FILLERS = 1_200


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(signal.SIGSTOP, id="paused"),
        pytest.param(signal.SIGKILL, id="killed"),
    ],
)
async def test_a_worker_that_comes_back_while_intake_is_down_waits_for_it(
    settings: Settings, tmp_path: Path, end: signal.Signals
) -> None:
    """The reminders were due before intake went down, so its last word would cover them; the orders came later.

    An intake that comes back may repeat that word before it forwards anything.
    """

    async def disturb(line: Pipeline, loader: Loader, worker: Process, intake: Process) -> None:
        await worker.kill()
        await _marked(line, through_at=now_ms() + LAST_DUE_MS)
        intake.signal(end)
        await loader.send(*_orders())
        await (await line.start("worker")).until_ready()
        await asyncio.sleep(LOOKS_SECONDS)
        if end == signal.SIGKILL:
            await line.start("intake")
        intake.signal(signal.SIGCONT)

    verdict = await _run(settings, tmp_path, disturb)
    assert (verdict.faults(), verdict.racing) == ({}, 0)
    assert verdict.kept_back >= len(VISITORS)


async def test_a_promise_heard_before_intake_went_down_opens_no_gate(settings: Settings, tmp_path: Path) -> None:
    """The order system was complete when the reminders were due, and nobody had bought. Then everybody did."""

    async def disturb(line: Pipeline, loader: Loader, worker: Process, intake: Process) -> None:
        await _held(line, len(VISITORS))
        await worker.kill()
        await loader.sync(now_ms())
        await _marked(line, through_at=now_ms())
        intake.signal(signal.SIGSTOP)
        await loader.send(*_orders())
        await (await line.start("worker")).until_ready()
        await asyncio.sleep(LOOKS_SECONDS)
        intake.signal(signal.SIGCONT)

    verdict = await _run(settings, tmp_path, disturb, syncs=False)
    assert (verdict.faults(), verdict.racing) == ({}, 0)
    assert verdict.kept_back > 0


async def test_intake_that_catches_up_says_nothing_of_the_past(settings: Settings, tmp_path: Path) -> None:
    """The reminders were due while intake was down. On its way through what lies there it passes that moment long
    before it comes to the orders."""

    async def disturb(line: Pipeline, loader: Loader, worker: Process, intake: Process) -> None:
        intake.signal(signal.SIGSTOP)
        due_at = now_ms() + LAST_DUE_MS
        await loader.send(*_filler(0))
        await line.until(lambda: now_ms() > due_at, "the reminders to be due")
        await loader.send(*_filler(1))
        await loader.send(*_orders())
        intake.signal(signal.SIGCONT)

    verdict = await _run(settings, tmp_path, disturb)
    assert (verdict.faults(), verdict.racing) == ({}, 0)
    assert verdict.kept_back >= len(VISITORS)


Disturb = Callable[[Pipeline, Loader, Process, Process], Awaitable[None]]


async def _run(settings: Settings, folder: Path, disturb: Disturb, *, syncs: bool = True) -> Verdict:
    """Everybody checks out, then something happens in which everybody buys; the verdict when no timer is pending."""
    flows = live_flows.write(folder / "flows")
    async with (
        pipeline(settings, flows=flows, clock="live") as line,
        loading(line.kafka, line.topics, seed=1, sessions_per_second=0, syncs=syncs) as loader,
    ):
        intake, worker = await line.start("intake"), await line.start("worker")
        await intake.until_ready()
        await worker.until_ready()
        await loader.send(*(event(CHECKOUT, visitor, at=now_ms(), dedupe_key=f"hit:{visitor}") for visitor in VISITORS))
        await line.forwarded()
        await line.processed()
        await disturb(line, loader, worker, intake)
        await line.forwarded()
        await line.processed()
        await line.until(lambda: line.tail.pending() == 0, "the last timer to be released")
        verdict = judge(await Recorded.of(line), live_flows.oracle())
        print(verdict)
        return verdict


def _orders() -> list[dict[str, Any]]:
    now = now_ms()
    return [event(ORDER_PLACED, visitor, at=now, dedupe_key=f"order:{visitor}") for visitor in VISITORS]


def _filler(part: int) -> list[dict[str, Any]]:
    """Many large records of other people, which no flow asks for."""
    kind, note, now = "commerce.cart.item_removed.v1", "x" * FILLER, now_ms()
    return [
        event(kind, f"other{number}", at=now, dedupe_key=f"filler:{part}:{number}", properties={"note": note})
        for number in range(FILLERS)
    ]


async def _held(line: Pipeline, count: int) -> None:
    """Wait until so many enrollments are held at the gate."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        held: set[str | None] = set()
        while len(held) < count:
            await asyncio.sleep(0.2)
            decisions = [codec.decode(r.value, Decision) async for r in read_to_end(line.kafka, line.topics.decisions)]
            held = {decision.enrollment_id for decision in decisions if decision.outcome == "held"}


async def _marked(line: Pipeline, *, through_at: int) -> None:
    """Wait until intake has said of every raw partition that all up to a moment is forwarded."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        marks = [0]
        while min(marks) < through_at:
            await asyncio.sleep(0.2)
            last = {record.key: record.value async for record in read_to_end(line.kafka, line.topics.progress)}
            marks = [from_wire(codec.decode(value, Progress).forwarded_through) for value in last.values()]
            marks += [0] * (line.topics.raw.partitions - len(marks))
