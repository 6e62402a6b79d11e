"""`delay_below_source_lag`: a message before the source can have said that it is pointless (semantics 6.3, S0-02).

10:00 checkout, 10:10 order; the shop reports at 10:30. A message at 10:15 goes to somebody who has bought. Wait for lag
and margin, or hold the message with `settle`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from heapq import heappop, heappush
from typing import NamedTuple

from schemas.connectors import Lag, covering
from schemas.flow import Flow
from schemas.steps import Send, Settle, Wait
from streams.flowfile import durations
from streams.flowfile.findings import Findings
from streams.flowfile.lint.subject import Subject, exclusions, least_ms, ways
from streams.flowfile.nodes import at


class _Early(NamedTuple):
    """A message that may be reached after so long, and the last wait on that way, if there is one."""

    step: int
    after_ms: int
    wait: int | None


def delay_below_source_lag(subject: Subject, findings: Findings) -> None:
    """The first message that may be too early for each source that reports late, worst source first."""
    warned: set[int] = set()
    gates = _gates(subject.flow)
    first = cache(partial(_first_message, subject.flow))  # most sources are as late as others, and as well held
    for source, lag in sorted(_late_sources(subject).items(), key=lambda item: (-item[1].safe_ms, item[0])):
        early = first(gates(source), lag.safe_ms)
        if early is None or early.step in warned:
            continue
        warned.add(early.step)
        least = durations.written(lag.safe_ms)
        place, hint, gate = subject.nodes[early.step], None, f"add `settle: {{ sources: [{source}] }}`"
        wait = subject.flow.steps[early.wait] if early.wait is not None else None
        if early.wait is not None and isinstance(wait, Wait):
            place = at(subject.nodes[early.wait], "wait", "for")
            hint = durations.written(least_ms(wait.span) + lag.safe_ms - early.after_ms)
        message = (
            f"`{subject.flow.steps[early.step].label}` may go out {durations.written(early.after_ms)} after the "
            f"trigger, and `{source}` reports up to {durations.written(lag.lag_ms)} late, with a margin of "
            f"{durations.written(lag.margin_ms)}"
        )
        if hint is not None:
            message += f"; wait {least} or more, or {gate}"
        advice = f"Wait {least} or more before it, or {gate}."
        findings.note("delay_below_source_lag", place, message, suggestion=hint, advice=advice)


def _late_sources(subject: Subject) -> dict[str, Lag]:
    """The sources of what may stop a message, as far as they report late."""
    anywhere = subject.flow.trigger.sources or tuple(subject.around.declared_lags)
    events_from: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for event in exclusions(subject.flow):
        events_from[event.sources or anywhere].add(event.event)
    found: dict[str, Lag] = {}
    lags = subject.around.lags
    for sources, events in events_from.items():
        for source in sources:
            for lag in (lags[name] for name in covering(source) if name in lags):
                if not lag.events or not lag.events.isdisjoint(events):
                    found[source] = max(found.get(source, lag), lag, key=lambda each: each.safe_ms)
    return found


def _gates(flow: Flow) -> Callable[[str], frozenset[int]]:
    """Which steps hold a message until a source is complete: they name it, what stands above it, or a part of it."""
    naming: dict[str, set[int]] = defaultdict(set)
    within: dict[str, set[int]] = defaultdict(set)
    for index, step in enumerate(flow.steps):
        for gate in step.gates if isinstance(step, Settle) else ():
            naming[gate.source].add(index)
            for name in covering(gate.source):
                within[name].add(index)
    return lambda source: frozenset().union(
        within.get(source, ()), *(naming[name] for name in covering(source) if name in naming)
    )


def _first_message(flow: Flow, gates: frozenset[int], safe_ms: int) -> _Early | None:
    """The earliest message within `safe_ms` that none of these gates holds; each step is looked at once."""
    front: list[tuple[int, int, int]] = [(0, 0, -1)]
    seen = set(gates)
    while front:
        after_ms, index, wait = heappop(front)
        step = flow.steps[index]
        if after_ms >= safe_ms:
            return None
        if index in seen:
            continue
        seen.add(index)
        if isinstance(step, Send):
            return _Early(index, after_ms, wait if wait >= 0 else None)
        for way, ms in ways(step):
            heappush(front, (after_ms + ms, way, index if isinstance(step, Wait) else wait))
    return None
