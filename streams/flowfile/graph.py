"""The ways between steps, judged as a whole: each step can be reached, each circle takes a minute, each path can end.

The end is a `stop`, or what lies below the last step. An exit rule is no end: nobody knows that its event will come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from schemas.span import Span
from schemas.steps import Step, Stop, Wait, WaitEvent, WaitUntil, WaitUntilDate
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader

CYCLE_WAIT_MS_MIN = 60_000


def check_ways(reader: Reader, steps: Sequence[Step], ways: Sequence[tuple[int, ...]], nodes: Sequence[Node]) -> None:
    """Note cycles without a wait or without an end, and steps that no path reaches. `ways` beyond the last step lead
    to the end.
    """
    seen = _reach(0, ways, set())
    quick = {index: _quick(step, ways[index]) for index, step in enumerate(steps)}
    endless = {index: ways[index] for index in sorted(seen - _ending(steps, ways))}
    if not _note_cycle(reader, steps, quick, nodes, "without a wait of a minute"):
        _note_cycle(reader, steps, endless, nodes, "and no way leads from there to a `stop` or to the end")
    for index, node in enumerate(nodes):
        if index not in seen:
            message = f"nothing leads to the step `{steps[index].label}`"
            reader.note("unreachable_step", node, message)
            _reach(index, ways, seen)  # What only follows from it is not worth a finding of its own.


def _quick(step: Step, ways: tuple[int, ...]) -> tuple[int, ...]:
    """The ways that may take less than a minute. A time of the day comes once a day, whoever comes back to it."""
    if isinstance(step, WaitUntil) or (isinstance(step, Wait) and _takes_a_minute(step.span)):
        return ()
    return ways[:-1] if isinstance(step, WaitEvent) and _takes_a_minute(step.timeout) else ways


def _takes_a_minute(span: Span) -> bool:
    return bool(span.months or span.days) or span.ms >= CYCLE_WAIT_MS_MIN


def _reach(start: int, ways: Sequence[tuple[int, ...]], seen: set[int]) -> set[int]:
    front = [start]
    while front:
        index = front.pop()
        if index < len(ways) and index not in seen:
            seen.add(index)
            front.extend(ways[index])
    return seen


def _ending(steps: Sequence[Step], ways: Sequence[tuple[int, ...]]) -> set[int]:
    """The steps from which an end can be reached."""
    before: dict[int, list[int]] = {}
    for index, leads in enumerate(ways):
        for way in leads:
            before.setdefault(way, []).append(index)
    front = [len(steps), *(index for index, step in enumerate(steps) if _ends(step))]
    ending: set[int] = set()
    while front:
        index = front.pop()
        if index not in ending:
            ending.add(index)
            front.extend(before.get(index, ()))
    return ending


def _ends(step: Step) -> bool:
    """Whether somebody may end in this step itself."""
    return isinstance(step, Stop) or (isinstance(step, WaitUntilDate) and step.when_past == "stop")


def _note_cycle(
    reader: Reader, steps: Sequence[Step], ways: Mapping[int, tuple[int, ...]], nodes: Sequence[Node], why: str
) -> bool:
    """Note the first circle of these ways; False when there is none."""
    try:
        TopologicalSorter(ways).prepare()
    except CycleError as error:
        # Predecessors and successors are swapped in the sorter's eyes, so its cycle reads backward.
        cycle = error.args[1]
        path = " -> ".join(f"`{steps[index].label}`" for index in reversed(cycle))
        reader.note("cycle", nodes[max(cycle)], f"these steps repeat forever, {why}: {path}")
        return True
    return False
