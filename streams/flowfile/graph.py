"""The ways between steps, judged as a whole: every step can be reached, and every circle takes a minute at least.

Every path ends: steps lead forward to the end of the list, which is a stop, or back through a wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from schemas.span import Span
from schemas.steps import Step, Wait, WaitEvent, WaitUntil
from streams.flowfile.nodes import Node
from streams.flowfile.reader import Reader

CYCLE_WAIT_MS_MIN = 60_000


def check_ways(reader: Reader, steps: Sequence[Step], ways: Sequence[tuple[int, ...]], nodes: Sequence[Node]) -> None:
    """Note cycles without a wait and steps that no path reaches. `ways` beyond the last step lead to the end."""
    quick = {index: _quick(step, ways[index]) for index, step in enumerate(steps)}
    try:
        TopologicalSorter(quick).prepare()
    except CycleError as error:
        _note_cycle(reader, steps, error.args[1], nodes)
    seen = _reach(0, ways, set())
    for index, node in enumerate(nodes):
        if index not in seen:
            message = f"nothing leads to the step `{steps[index].label}`; name its label in a way, or remove it"
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


def _note_cycle(reader: Reader, steps: Sequence[Step], cycle: Sequence[int], nodes: Sequence[Node]) -> None:
    # Predecessors and successors are swapped in the sorter's eyes, so its cycle reads backward.
    path = " -> ".join(f"`{steps[index].label}`" for index in reversed(cycle))
    message = f"these steps repeat forever, without a wait of a minute: {path}"
    reader.note("cycle", nodes[max(cycle)], message)
